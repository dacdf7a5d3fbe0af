/**
 * Values of nested elements under a schema, as MiniMax M3's reader gives them: objects from children by their names,
 * lists from children whatever their names, scalars from text. Of several allowed types the first that fits counts.
 */
import { isObject } from "../core/index.ts";
import { readJson } from "./json-reader.ts";
import type { NamespaceElement } from "./namespace-elements.ts";
import { isBlank, strip } from "./python-strings.ts";
import { isMap, type PyMap, type PyValue } from "./python-value.ts";

/** undefined: the element is not of that type. */
type Reading = PyValue | undefined;

export function coerceElement(element: NamespaceElement, schema: unknown): PyValue {
  for (const candidate of candidates(schema, 0)) {
    const value = readAs(element, candidate);
    if (value !== undefined) return value;
  }
  return untyped(element);
}

interface Candidate {
  type: string;
  schema: Record<string, unknown>;
}

/** The allowed types in the order in which the schema names them. */
function candidates(schema: unknown, depth: number): Candidate[] {
  if (!isObject(schema) || depth > 50) return [];
  if (typeof schema.type === "string") return [{ type: schema.type, schema }];
  if (Array.isArray(schema.type))
    return schema.type.filter((type) => typeof type === "string").map((type) => ({ type, schema }));
  for (const key of ["oneOf", "anyOf"]) {
    const branches = schema[key];
    if (Array.isArray(branches)) return branches.flatMap((branch) => candidates(branch, depth + 1));
  }
  return [];
}

function readAs(element: NamespaceElement, { type, schema }: Candidate): Reading {
  const nested = element.children.length > 0;
  const { text } = element;
  if (!nested && type !== "string" && strip(text).toLowerCase() === "null") return null;
  switch (type) {
    case "string":
      return nested ? undefined : text;
    case "integer":
      return nested ? undefined : readInteger(strip(text));
    case "number":
      return nested ? undefined : readNumber(strip(text));
    case "boolean":
      return nested ? undefined : readBoolean(strip(text).toLowerCase());
    case "object":
      return nested ? objectOf(element, schema) : readObject(text);
    case "array":
      return nested ? element.children.map((child) => coerceElement(child, schema.items)) : readArray(text);
    default:
      return undefined;
  }
}

function readInteger(text: string): Reading {
  if (!/^[+-]?[0-9]{1,19}$/.test(text)) return undefined;
  const value = BigInt(text.replace("+", ""));
  return BigInt.asIntN(64, value) === value ? value : undefined;
}

function readNumber(text: string): Reading {
  const read = readJson(text);
  if (read.ok && typeof read.value === "bigint") return read.value;
  if (read.ok && typeof read.value === "number" && Number.isFinite(read.value)) return read.value;
  const integer = readInteger(text);
  if (integer !== undefined) return integer;
  return /^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$/.test(text) ? Number(text) : undefined;
}

function readBoolean(word: string): Reading {
  if (word === "true" || word === "1") return true;
  return word === "false" || word === "0" ? false : undefined;
}

function readObject(text: string): Reading {
  if (isBlank(text)) return new Map();
  const read = readJson(text);
  return read.ok && isMap(read.value) ? read.value : undefined;
}

function readArray(text: string): Reading {
  if (isBlank(text)) return [];
  const read = readJson(text);
  return read.ok && Array.isArray(read.value) ? read.value : undefined;
}

function objectOf(element: NamespaceElement, schema: Record<string, unknown>): PyMap {
  const properties = isObject(schema.properties) ? schema.properties : {};
  const result: PyMap = new Map();
  const counts = new Map<string, number>();
  for (const child of element.children) {
    const known = Object.hasOwn(properties, child.name);
    const value = coerceElement(child, known ? properties[child.name] : schema.additionalProperties);
    const count = counts.get(child.name) ?? 0;
    counts.set(child.name, count + 1);
    if (count === 0) result.set(child.name, value);
    else if (count === 1) result.set(child.name, [result.get(child.name)!, value]);
    else (result.get(child.name) as PyValue[]).push(value);
  }
  return withOwnText(result, element);
}

/** Text beside children is kept under a key that no child has. */
function withOwnText(object: PyMap, element: NamespaceElement): PyMap {
  if (isBlank(element.text)) return object;
  let key = "$text";
  while (object.has(key)) key = `$${key}`;
  object.set(key, element.text);
  return object;
}

function untyped(element: NamespaceElement): PyValue {
  if (element.children.length > 0) return objectOf(element, {});
  return strip(element.text).toLowerCase() === "null" ? null : element.text;
}
