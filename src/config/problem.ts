/**
 * What is wrong with a configuration. All problems of a run are gathered into one error, so that a user mends them in
 * one go; each says where it is, what was found and what is allowed. Values of secret fields are never shown.
 */
import { isObject, LachesisError } from "../core/index.ts";

export interface ConfigProblem {
  /** `FILE:LINE:COLUMN`, a flag, `configInit`, or the command. */
  place: string;
  message: string;
}

/** The error for a list of problems. Code `config_invalid`; `details.problems` holds the list. */
export function configError(problems: readonly ConfigProblem[]): LachesisError {
  const lines = problems.map(({ place, message }) => `${place}: ${message}`);
  const text =
    lines.length === 1
      ? lines[0]!
      : `${lines.length} problems in the configuration:\n${lines.map((line) => `  ${line}`).join("\n")}`;
  return new LachesisError("config_invalid", text, { details: { problems } });
}

/** The problems that an error from `configError` carries; null for any other error. */
export function problemsOf(error: unknown): readonly ConfigProblem[] | null {
  if (!(error instanceof LachesisError) || error.code !== "config_invalid") return null;
  const { problems } = error.details;
  return Array.isArray(problems) ? (problems as ConfigProblem[]) : null;
}

/** A value as it is shown in a message: short, on one line, its type visible. */
export function foundText(value: unknown): string {
  if (value === undefined) return "nothing";
  if (typeof value === "string") return `text ${cut(JSON.stringify(value))}`;
  if (Array.isArray(value)) return `a list ${cut(JSON.stringify(value))}`;
  if (isObject(value)) return `an object with ${cut(Object.keys(value).join(", ") || "no fields")}`;
  if (typeof value === "bigint") return `${value}`;
  return String(value);
}

/** "Did you mean …?", or nothing. */
export const hint = (nearest: string | null): string => (nearest === null ? "" : ` Did you mean ${nearest}?`);

function cut(text: string): string {
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}
