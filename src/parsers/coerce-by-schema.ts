/**
 * Turns the text of a parameter into a value of a type that its schema allows, for formats that carry no types. Types
 * are tried in one fixed order, and only those that the schema names; text that fits none of them is read as JSON if it
 * is JSON and stays text otherwise. A parameter that may be a string is never guessed to be something else by JSON.
 */
import type { ToolSchema } from "../core/index.ts";
import { readJson } from "./json-reader.ts";
import { pythonFloat, pythonInt, wholeToInteger } from "./python-numbers.ts";
import { strip } from "./python-strings.ts";
import type { PyValue } from "./python-value.ts";
import { parameterSchema, type SchemaType, schemaTypes } from "./tool-schemas.ts";

/** undefined: the text is not of that type. */
type Reading = PyValue | undefined;

const READERS: [SchemaType, (text: string) => Reading][] = [
  ["null", (text) => (text.toLowerCase() === "null" ? null : undefined)],
  ["integer", (text) => pythonInt(text) ?? undefined],
  ["number", readNumber],
  ["boolean", readBoolean],
  ["object", readFiniteJson],
  ["array", readFiniteJson],
  ["string", (text) => text],
];

/** The value of a text under a schema. */
export function coerceText(text: string, schema: unknown): PyValue {
  const allowed = schemaTypes(schema);
  for (const [type, read] of READERS) {
    if (!allowed.has(type)) continue;
    const value = read(text);
    if (value !== undefined) return value;
  }
  const value = readFiniteJson(text);
  return value === undefined ? text : value;
}

/** The value of a named parameter; text where the tool or the parameter is not declared. */
export function coerceParameter(
  text: string,
  tools: readonly ToolSchema[] | null | undefined,
  tool: string,
  parameter: string,
): PyValue {
  const schema = parameterSchema(tools, tool, parameter);
  return schema === null ? text : coerceText(text, schema);
}

function readNumber(text: string): Reading {
  const value = pythonFloat(text);
  return value === null ? undefined : (wholeToInteger(value) ?? undefined);
}

function readBoolean(text: string): Reading {
  const word = strip(text).toLowerCase();
  if (word === "true" || word === "1") return true;
  return word === "false" || word === "0" ? false : undefined;
}

/** A JSON value without NaN or infinities; JSON's null counts as a value. */
function readFiniteJson(text: string): Reading {
  const read = readJson(text);
  return read.ok && isFiniteValue(read.value) ? read.value : undefined;
}

function isFiniteValue(value: PyValue): boolean {
  if (typeof value === "number") return Number.isFinite(value);
  if (Array.isArray(value)) return value.every(isFiniteValue);
  return value instanceof Map ? [...value.values()].every(isFiniteValue) : true;
}
