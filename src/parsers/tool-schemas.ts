/**
 * What the offered tools say about a parameter. Schemas come from outside, so every step is checked; a tool or a
 * parameter that is not declared is null, which the formats treat as text.
 */
import { isObject, type JsonSchema, type ToolSchema } from "../core/index.ts";

export type SchemaType = "null" | "integer" | "number" | "boolean" | "object" | "array" | "string";

type Tools = readonly ToolSchema[] | null | undefined;

/** The schema of a tool's arguments; null if the tool was not offered or has none. */
export function argumentsSchema(tools: Tools, name: string): JsonSchema | null {
  for (const tool of tools ?? []) {
    if (!isObject(tool) || !isObject(tool.function) || tool.function.name !== name) continue;
    return isObject(tool.function.parameters) ? tool.function.parameters : null;
  }
  return null;
}

/** The declared parameters of a tool; null if there is no such tool or it declares none. */
export function declaredParameters(tools: Tools, name: string): Record<string, unknown> | null {
  const schema = argumentsSchema(tools, name);
  return schema !== null && isObject(schema.properties) ? schema.properties : null;
}

/** The schema of one parameter, null where it is not declared. */
export function parameterSchema(tools: Tools, name: string, parameter: string): JsonSchema | null {
  const declared = declaredParameters(tools, name);
  if (declared === null || !Object.hasOwn(declared, parameter)) return null;
  const schema = declared[parameter];
  return isObject(schema) ? schema : {};
}

/** True if tools were offered and none has that name. */
export function isUnknownTool(tools: Tools, name: string): boolean {
  return tools != null && tools.length > 0 && !tools.some((tool) => isObject(tool) && tool.function?.name === name);
}

const ALIASES: Record<string, SchemaType> = {
  null: "null",
  str: "string",
  string: "string",
  text: "string",
  varchar: "string",
  char: "string",
  enum: "string",
  int: "integer",
  integer: "integer",
  int32: "integer",
  int64: "integer",
  uint: "integer",
  uint32: "integer",
  uint64: "integer",
  long: "integer",
  short: "integer",
  unsigned: "integer",
  number: "number",
  float: "number",
  float32: "number",
  float64: "number",
  double: "number",
  bool: "boolean",
  boolean: "boolean",
  dict: "object",
  object: "object",
  arr: "array",
  array: "array",
  list: "array",
  sequence: "array",
};

const MAX_SCHEMA_DEPTH = 50;

/** The types that a schema allows, through its alternatives and its enumerated values; `string` where it says none. */
export function schemaTypes(schema: unknown): ReadonlySet<SchemaType> {
  const found = new Set<SchemaType>();
  collect(schema, found, 0);
  if (found.size === 0) found.add("string");
  return found;
}

function collect(schema: unknown, found: Set<SchemaType>, depth: number): void {
  if (!isObject(schema) || depth > MAX_SCHEMA_DEPTH) return;
  for (const name of Array.isArray(schema.type) ? schema.type : [schema.type]) {
    const type = typeof name === "string" ? ALIASES[name.trim().toLowerCase()] : undefined;
    if (type !== undefined) found.add(type);
  }
  if (Array.isArray(schema.enum)) for (const member of schema.enum) found.add(typeOfMember(member));
  for (const key of ["anyOf", "oneOf", "allOf"]) {
    const branches = schema[key];
    if (Array.isArray(branches)) for (const branch of branches) collect(branch, found, depth + 1);
  }
}

function typeOfMember(member: unknown): SchemaType {
  if (member === null || member === undefined) return "null";
  if (typeof member === "boolean") return "boolean";
  if (typeof member === "number") return Number.isInteger(member) ? "integer" : "number";
  if (typeof member === "string") return "string";
  return Array.isArray(member) ? "array" : "object";
}
