/**
 * From the argument text of a model to the arguments of a tool: JSON, then coercion by the tool's schema, then a check
 * against it. Every failure is a sentence that lets the model correct itself; nothing is guessed beyond the coercions.
 */
import { createRequire } from "node:module";
import type { Ajv2020, ErrorObject, ValidateFunction } from "ajv/dist/2020.js";
import { errorMessage, isObject, type JsonSchema, nearestName } from "../core/index.ts";
import { coerceArguments } from "./coerce.ts";

export type PreparedArguments = { ok: true; args: Record<string, unknown> } | { ok: false; error: string };

/** Parses, coerces and checks the argument text of one call. */
export function prepareArguments(schema: JsonSchema, text: unknown): PreparedArguments {
  if (typeof text !== "string")
    return refuse(`Tool arguments must be a JSON text, got ${kindOf(text)}. Please retry with a JSON object.`);
  let value: unknown;
  try {
    // Some models send nothing at all for a call without arguments.
    value = text.trim() === "" ? {} : JSON.parse(text);
  } catch (error) {
    return refuse(`Invalid JSON in tool arguments: ${errorMessage(error)}. Please retry with valid JSON.`);
  }
  return checkArguments(schema, value);
}

/** Coerces and checks arguments that are already values, such as those of `ToolContext.callTool`. */
export function checkArguments(schema: JsonSchema, value: unknown): PreparedArguments {
  if (!isObject(value)) {
    return refuse(
      `Tool arguments must be a JSON object, got ${kindOf(value)}. Please retry with an object of named arguments.`,
    );
  }
  const args = coerceArguments(schema, value);
  const validate = validatorOf(schema);
  if (validate(args)) return { ok: true, args };
  const problems = (validate.errors ?? []).map((error) => describe(error, schema, args));
  return refuse(`Invalid arguments: ${[...new Set(problems)].slice(0, 5).join("; ")}.`);
}

const refuse = (error: string): PreparedArguments => ({ ok: false, error });

function kindOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "an array";
  if (value === undefined) return "nothing";
  return `a ${typeof value}`;
}

/** Loaded at the first call of a tool: it is large, and no start should wait for it. */
function ajv(): typeof Ajv2020 {
  const load = createRequire(import.meta.url);
  return (load("ajv/dist/2020.js") as { Ajv2020: typeof Ajv2020 }).Ajv2020;
}

// Compiled once per schema object; tools keep theirs for the life of the process.
const validators = new WeakMap<JsonSchema, ValidateFunction>();

function validatorOf(schema: JsonSchema): ValidateFunction {
  let validate = validators.get(schema);
  if (!validate) {
    // Tools may bring schemas of any dialect; unknown keywords and formats are no reason to refuse a call.
    validate = new (ajv())({ allErrors: true, strict: false, validateFormats: false, logger: false }).compile(
      withoutDialect(schema),
    );
    validators.set(schema, validate);
  }
  return validate;
}

function withoutDialect(schema: JsonSchema): JsonSchema {
  const { $schema: _dialect, $id: _id, ...rest } = schema;
  return rest;
}

function describe(error: ErrorObject, schema: JsonSchema, args: Record<string, unknown>): string {
  const path = error.instancePath.slice(1).replaceAll("/", ".").replaceAll("~1", "/").replaceAll("~0", "~");
  const where = path === "" ? "the arguments" : `'${path}'`;
  switch (error.keyword) {
    case "required": {
      const missing = String(error.params.missingProperty);
      const known = isObject(schema.properties) ? Object.keys(schema.properties) : [];
      const unknown = path === "" ? Object.keys(args).filter((name) => !known.includes(name)) : [];
      const near = nearestName(missing, unknown) ?? (unknown.length === 1 ? unknown[0] : undefined);
      const hint = near === undefined ? "" : ` (there is no argument '${near}')`;
      return `'${path === "" ? "" : `${path}.`}${missing}' is required${hint}`;
    }
    case "additionalProperties":
      return `${where} has the unknown field '${String(error.params.additionalProperty)}'`;
    case "enum":
      return `${where} must be one of ${JSON.stringify(error.params.allowedValues)}, got ${short(valueAt(args, error.instancePath))}`;
    default:
      return `${where} ${error.message ?? "is invalid"}, got ${short(valueAt(args, error.instancePath))}`;
  }
}

function valueAt(args: unknown, pointer: string): unknown {
  let value: unknown = args;
  for (const part of pointer.split("/").slice(1)) {
    const key = part.replaceAll("~1", "/").replaceAll("~0", "~");
    value = Array.isArray(value) ? value[Number(key)] : isObject(value) ? value[key] : undefined;
  }
  return value;
}

function short(value: unknown): string {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}
