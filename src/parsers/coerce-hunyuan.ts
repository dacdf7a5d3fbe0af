/**
 * Hunyuan 3's and 4's rule of typing: booleans, integers and numbers where the schema allows them, then JSON if it
 * allows an object or a list, then text if it allows a string, and a guess for what is left.
 */
import { isObject } from "../core/index.ts";
import { readAnyLiteral } from "./coerce-by-guess.ts";
import { readJson } from "./json-reader.ts";
import { pythonFloat, pythonInt } from "./python-numbers.ts";
import { strip } from "./python-strings.ts";
import type { PyValue } from "./python-value.ts";

type HunyuanType = "boolean" | "integer" | "number" | "string" | "other";

export function coerceHunyuan(text: string, schema: unknown): PyValue {
  const allowed = new Set<HunyuanType>();
  collect(schema, allowed, 0);
  if (allowed.size === 0) allowed.add("string");
  const trimmed = strip(text);
  if (allowed.has("boolean") && /^(?:true|false)$/i.test(trimmed)) return trimmed.toLowerCase() === "true";
  if (allowed.has("integer")) {
    const value = pythonInt(trimmed);
    if (value !== null) return value;
  }
  if (allowed.has("number")) {
    const value = /[.eE]/.test(trimmed) ? pythonFloat(trimmed) : (pythonInt(trimmed) ?? pythonFloat(trimmed));
    if (value !== null && (typeof value === "bigint" || Number.isFinite(value))) return value;
  }
  if (allowed.has("other")) {
    const read = readJson(trimmed);
    if (read.ok) return read.value;
  }
  return allowed.has("string") ? text : withFallback(text, trimmed);
}

function withFallback(text: string, trimmed: string): PyValue {
  const value = readAnyLiteral(trimmed);
  return value === trimmed ? text : value;
}

function collect(schema: unknown, found: Set<HunyuanType>, depth: number): void {
  if (!isObject(schema) || depth > 50) return;
  for (const name of Array.isArray(schema.type) ? schema.type : [schema.type]) {
    const type = typeof name === "string" ? typeOf(name.toLowerCase()) : null;
    if (type !== null) found.add(type);
  }
  for (const key of ["anyOf", "oneOf"]) {
    const branches = schema[key];
    if (Array.isArray(branches)) for (const branch of branches) collect(branch, found, depth + 1);
  }
}

function typeOf(name: string): HunyuanType | null {
  if (name === "null" || name === "none") return null;
  if (/^(?:string|str|text|varchar|char|enum)$/.test(name)) return "string";
  if (/^bool/.test(name)) return "boolean";
  if (/^(?:int|uint|long|short|unsigned)/.test(name)) return "integer";
  if (/^(?:num|float|double)/.test(name)) return "number";
  return "other";
}
