/**
 * Reading a zod schema: what a field holds, in words and for programs. Only `_zod.def` is used, never `instanceof`, so
 * that a schema made by another copy of zod works as well.
 */
import { z } from "zod";

export type Schema = z.core.$ZodType;

interface AnyDef {
  type: string;
  innerType?: Schema;
  in?: Schema;
  shape?: Record<string, Schema>;
  catchall?: Schema;
  element?: Schema;
  valueType?: Schema;
  options?: readonly Schema[];
  entries?: Record<string, string | number>;
  values?: readonly unknown[];
  getter?: () => Schema;
  defaultValue?: unknown;
}

export const definition = (schema: Schema): AnyDef => schema._zod.def as unknown as AnyDef;

const WRAPPERS = new Set(["default", "prefault", "nullable", "optional", "nonoptional", "readonly", "catch"]);

/** The schema inside default, nullable, optional, readonly, pipes and lazy ones. */
export function inner(schema: Schema): Schema {
  let current = schema;
  for (;;) {
    const def = definition(current);
    const next = WRAPPERS.has(def.type) ? def.innerType : def.type === "pipe" ? def.in : def.getter?.();
    if (next === undefined) return current;
    current = next;
  }
}

export function isNullable(schema: Schema): boolean {
  return layers(schema).some((layer) => definition(layer).type === "nullable") || kindOf(schema) === "null";
}

/** `string`, `int`, `number`, `boolean`, `enum`, `array`, `object`, `record`, `union`, … */
export const kindOf = (schema: Schema): string => definition(inner(schema)).type;

/** The fields of an object schema; null for everything else. */
export const shapeOf = (schema: Schema): Record<string, Schema> | null => definition(inner(schema)).shape ?? null;

/** Whether an object schema takes keys that it does not name. */
export function isOpen(schema: Schema): boolean {
  const { catchall } = definition(inner(schema));
  return catchall !== undefined && definition(catchall).type !== "never";
}

/** What `describe` and `meta` said about a schema, at whatever layer. */
export function metaOf(schema: Schema): { description: string; secret: boolean } {
  let description = "";
  let secret = false;
  for (const layer of layers(schema)) {
    const meta = z.globalRegistry.get(layer);
    if (meta === undefined) continue;
    if (description === "" && typeof meta.description === "string") description = meta.description;
    if (meta.secret === true) secret = true;
  }
  return { description, secret };
}

/** The default, or undefined where a value must be given. */
export function defaultOf(schema: Schema): unknown {
  for (const layer of layers(schema)) {
    const def = definition(layer);
    if (def.type === "default" || def.type === "prefault") return def.defaultValue;
    if (def.type === "optional") return null;
  }
  return undefined;
}

/** The schema of the value at `path` below `schema`; null where the schema names none. */
export function schemaAt(schema: Schema, path: readonly string[]): Schema | null {
  let current: Schema = schema;
  for (const key of path) {
    const def = definition(inner(current));
    if (def.type === "unknown" || def.type === "any") return inner(current);
    const next =
      def.shape !== undefined && Object.hasOwn(def.shape, key)
        ? def.shape[key]
        : (def.catchall ?? def.valueType ?? def.element);
    if (next === undefined || definition(next).type === "never") return null;
    current = next;
  }
  return current;
}

/** What a field takes, in words: "an integer of at least 1, or null". */
export function allowedText(schema: Schema): string {
  const json = z.toJSONSchema(schema as z.ZodType, { io: "input", unrepresentable: "any" });
  return words(json as JsonSchemaNode);
}

interface JsonSchemaNode {
  type?: string | string[];
  enum?: unknown[];
  const?: unknown;
  anyOf?: JsonSchemaNode[];
  oneOf?: JsonSchemaNode[];
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  exclusiveMaximum?: number;
  minLength?: number;
  items?: JsonSchemaNode;
  properties?: Record<string, JsonSchemaNode>;
  additionalProperties?: JsonSchemaNode | boolean;
}

function words(node: JsonSchemaNode): string {
  const options = node.anyOf ?? node.oneOf;
  if (options !== undefined) return options.map(words).join(" or ");
  if (node.enum !== undefined) return node.enum.map(String).join(", ");
  if (node.const !== undefined) return JSON.stringify(node.const);
  if (Array.isArray(node.type)) return node.type.map((type) => words({ ...node, type })).join(" or ");
  switch (node.type) {
    case "integer":
      return `an integer${range(node)}`;
    case "number":
      return `a number${range(node)}`;
    case "string":
      return node.minLength === undefined ? "text" : "text that is not empty";
    case "boolean":
      return "true or false";
    case "null":
      return "null";
    case "array":
      return node.items?.type === undefined ? "a list" : `a list of: ${words(node.items)}`;
    case "object":
      return node.properties === undefined || Object.keys(node.properties).length === 0
        ? "an object"
        : `an object with ${Object.keys(node.properties).join(", ")}`;
    default:
      return "any value";
  }
}

function range({ minimum, maximum, exclusiveMinimum, exclusiveMaximum }: JsonSchemaNode): string {
  const low = minimum === undefined || minimum <= Number.MIN_SAFE_INTEGER ? null : minimum;
  const high = maximum === undefined || maximum >= Number.MAX_SAFE_INTEGER ? null : maximum;
  if (low !== null && high !== null) return ` from ${low} to ${high}`;
  const bounds: string[] = [];
  if (low !== null) bounds.push(`of at least ${low}`);
  if (exclusiveMinimum !== undefined) bounds.push(`above ${exclusiveMinimum}`);
  if (high !== null) bounds.push(`of at most ${high}`);
  if (exclusiveMaximum !== undefined) bounds.push(`below ${exclusiveMaximum}`);
  return bounds.length === 0 ? "" : ` ${bounds.join(" and ")}`;
}

function layers(schema: Schema): Schema[] {
  const result: Schema[] = [];
  let current: Schema | undefined = schema;
  while (current !== undefined) {
    result.push(current);
    const def: AnyDef = definition(current);
    current = WRAPPERS.has(def.type) ? def.innerType : def.type === "pipe" ? def.in : def.getter?.();
  }
  return result;
}

/** True for values that may be a boolean, also among others: their flag may stand without a value. */
export function takesBoolean(schema: Schema): boolean {
  const def = definition(inner(schema));
  return def.type === "boolean" || (def.options ?? []).some(takesBoolean);
}

/** True for fields whose flag may stand without a value. */
export function isBooleanField(schema: Schema, field: string): boolean {
  const shape = shapeOf(schema);
  return shape !== null && Object.hasOwn(shape, field) && takesBoolean(shape[field]!);
}
