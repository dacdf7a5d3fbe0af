/**
 * Values of text that no schema describes exactly: verbatim if the schema says `string`, otherwise JSON if it is JSON,
 * a Python literal if it is one, and text if it is neither. The classic GLM rule.
 */
import { readJson } from "./json-reader.ts";
import { readPythonLiteral } from "./python-literal.ts";
import { strip } from "./python-strings.ts";
import type { PyValue } from "./python-value.ts";

export function guessValue(text: string, schema: { type?: unknown } | null): PyValue {
  return schema?.type === "string" ? text : readAnyLiteral(strip(text));
}

/** JSON, else a Python literal, else the text. */
export function readAnyLiteral(text: string): PyValue {
  const read = readJson(text);
  if (read.ok) return read.value;
  const literal = readPythonLiteral(text);
  return literal === undefined ? text : literal;
}
