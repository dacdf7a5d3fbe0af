/** JSON Lines and JSON. Every row is an object; what is not is an error with its line. */
import { errorMessage, isObject, LachesisError } from "../core/index.ts";
import type { Entry } from "./entry.ts";
import { jsonFault } from "./json-fault.ts";
import { linesOfFile, textOfFile } from "./text-file.ts";

/** One object a line; empty lines are skipped. */
export async function* readJsonl(path: string): AsyncGenerator<Entry> {
  for await (const { text, line } of linesOfFile(path)) {
    const json = line === 1 ? text.replace(/^\uFEFF/, "") : text;
    if (json.trim() === "") continue;
    const place = `${path}:${line}`;
    let row: unknown;
    try {
      row = JSON.parse(json);
    } catch (error) {
      throw new LachesisError("data_invalid", `${place}: this line is not JSON: ${reason(error)}.`, {
        details: { path, line },
      });
    }
    if (!isObject(row)) throw notAnObject(place, row, { path, line });
    yield { row, place };
  }
}

/** A list of objects, or an object whose field `split` holds one. */
export async function* readJson(path: string, split: string): AsyncGenerator<Entry> {
  const pieces: string[] = [];
  for await (const text of textOfFile(path)) pieces.push(text);
  const text = pieces.join("").replace(/^\uFEFF/, "");
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    const line = text.slice(0, jsonFault(text)).split("\n").length;
    const hint = text.trimStart().startsWith("{") ? " If it holds one object a line, call it .jsonl." : "";
    throw new LachesisError("data_invalid", `${path}:${line}: this is not JSON: ${reason(error)}.${hint}`, {
      details: { path, line },
    });
  }
  const rows = Array.isArray(value) ? value : isObject(value) ? (value[split] ?? value.data) : undefined;
  if (!Array.isArray(rows)) {
    const names = isObject(value) ? Object.keys(value).filter((key) => Array.isArray(value[key])) : [];
    const has = names.length === 0 ? "" : ` It has: ${names.slice(0, 10).join(", ")}.`;
    throw new LachesisError("data_invalid", `${path}: it must hold a list of objects, or one under "${split}".${has}`);
  }
  for (const [index, row] of rows.entries()) {
    const place = `${path} row ${index + 1}`;
    if (!isObject(row)) throw notAnObject(place, row, { path, row: index + 1 });
    yield { row, place };
  }
}

function notAnObject(place: string, value: unknown, details: Record<string, unknown>): LachesisError {
  const found = Array.isArray(value) ? "a list" : value === null ? "null" : `a ${typeof value}`;
  return new LachesisError("data_invalid", `${place}: a row must be an object, found ${found}.`, { details });
}

/** The parser's words without the excerpt of the data that it quotes. */
function reason(error: unknown): string {
  return errorMessage(error)
    .replace(/,? ?"?\.{3}.*$/s, "")
    .replace(/, ".*" is not valid JSON$/s, "")
    .replace(/ in JSON at position.*$/s, "");
}
