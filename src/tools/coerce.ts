/**
 * Coercion of arguments by JSON schema: models write "5" for 5, "true" for true, JSON text for lists. Only known
 * properties are touched, only when their value does not fit already, and a value that cannot be coerced stays as it is,
 * so that the check after it can say what was wrong.
 */
import { isObject, type JsonSchema } from "../core/index.ts";

/** The arguments with the values of known properties coerced to the types of the schema; the input is left alone. */
export function coerceArguments(schema: JsonSchema, args: Record<string, unknown>): Record<string, unknown> {
  const result: Record<string, unknown> = { ...args };
  if (!isObject(schema.properties)) return result;
  for (const [name, property] of Object.entries(schema.properties)) {
    if (!Object.hasOwn(args, name) || !isObject(property)) continue;
    const value = coerceValue(property, args[name]);
    // null for an optional argument that has no null means: left out.
    if (value === null && !allowsNull(property) && !requires(schema, name)) delete result[name];
    else result[name] = value;
  }
  return result;
}

function requires(schema: JsonSchema, name: string): boolean {
  return Array.isArray(schema.required) && schema.required.includes(name);
}

/** The types that a schema names, those of its alternatives included; empty when it names none. */
function typesOf(schema: JsonSchema): string[] {
  if (typeof schema.type === "string") return [schema.type];
  if (Array.isArray(schema.type)) return schema.type.filter((type) => typeof type === "string");
  const alternatives = alternativesOf(schema);
  return alternatives.flatMap(typesOf);
}

function alternativesOf(schema: JsonSchema): JsonSchema[] {
  const list = schema.anyOf ?? schema.oneOf;
  return Array.isArray(list) ? list.filter(isObject) : [];
}

function allowsNull(schema: JsonSchema): boolean {
  const types = typesOf(schema);
  return types.length === 0 || types.includes("null") || schema.nullable === true;
}

function coerceValue(schema: JsonSchema, value: unknown): unknown {
  const types = typesOf(schema);
  if (types.length === 0 || value === null) return value;
  if (types.some((type) => isType(type, value))) return descend(schema, value);
  for (const type of types) {
    const coerced = coerceTo(type, value);
    if (coerced !== undefined) return descend(schema, coerced);
  }
  return value;
}

/** Coerces what is inside an array or object. */
function descend(schema: JsonSchema, value: unknown): unknown {
  const of = (type: "array" | "object") =>
    schema.type === type || (Array.isArray(schema.type) && schema.type.includes(type))
      ? schema
      : alternativesOf(schema).find((alternative) => typesOf(alternative).includes(type));
  if (Array.isArray(value)) {
    const items = of("array")?.items;
    return isObject(items) ? value.map((item) => coerceValue(items, item)) : value;
  }
  if (isObject(value)) {
    const inner = of("object");
    return inner ? coerceArguments(inner, value) : value;
  }
  return value;
}

function isType(type: string, value: unknown): boolean {
  switch (type) {
    case "integer":
      return Number.isInteger(value);
    case "array":
      return Array.isArray(value);
    case "object":
      return isObject(value);
    case "null":
      return value === null;
    default:
      return typeof value === type;
  }
}

/** The value as that type, or undefined. A non-string is only ever wrapped into a list or written as a string. */
function coerceTo(type: string, value: unknown): unknown {
  if (type === "array") {
    const decoded = typeof value === "string" ? jsonOf(value, "[") : undefined;
    return Array.isArray(decoded) ? decoded : [value];
  }
  if (type === "string") return typeof value === "number" || typeof value === "boolean" ? String(value) : undefined;
  if (typeof value !== "string") return undefined;
  const text = value.trim();
  switch (type) {
    case "integer":
    case "number": {
      if (!/^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(text)) return undefined;
      const number = Number(text);
      if (!Number.isFinite(number)) return undefined;
      return type === "number" || Number.isInteger(number) ? number : undefined;
    }
    case "boolean":
      return /^true$/i.test(text) ? true : /^false$/i.test(text) ? false : undefined;
    case "object": {
      const decoded = jsonOf(text, "{");
      return isObject(decoded) ? decoded : undefined;
    }
    case "null":
      return /^null$/i.test(text) ? null : undefined;
    default:
      return undefined;
  }
}

function jsonOf(text: string, start: "[" | "{"): unknown {
  if (!text.trimStart().startsWith(start)) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // not JSON after all: left as it is
  }
}
