/** The prompt of a row. A row without one is an error that names its place and the columns it has. */
import { LachesisError, nearestName } from "../core/index.ts";
import type { Entry } from "./entry.ts";

/**
 * The text in the column `field`. Throws `data_invalid` where there is none.
 * @example promptOf({ row: { prompt: "Say hi" }, place: "a.jsonl:1" }, "prompt") // "Say hi"
 */
export function promptOf({ row, place }: Entry, field: string): string {
  const value = Object.hasOwn(row, field) ? row[field] : undefined;
  if (typeof value === "string" && value.trim() !== "") return value;
  const columns = Object.keys(row);
  const near = value === undefined ? nearestName(field, columns) : undefined;
  const found = value === undefined ? `has no column "${field}"` : `the column "${field}" holds ${kind(value)}`;
  const hint = near === undefined ? "" : ` Did you mean prompt_field ${near}?`;
  throw new LachesisError(
    "data_invalid",
    `${place}: ${found}; a text is needed.${hint} Columns: ${columns.slice(0, 30).join(", ")}.`,
  );
}

function kind(value: unknown): string {
  if (typeof value === "string") return "empty text";
  if (value === null) return "null";
  return Array.isArray(value) ? "a list" : `a ${typeof value}`;
}
