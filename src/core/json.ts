/** JSON values as a type, and the narrowing that untrusted JSON needs. */

export type JsonValue = string | number | boolean | null | JsonValue[] | { [key: string]: JsonValue };
export type JsonObject = { [key: string]: JsonValue };

/** True for plain objects: not null, not an array. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A JSON Schema, as tools and servers exchange it. */
export type JsonSchema = Record<string, unknown>;
