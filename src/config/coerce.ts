/**
 * Text from the command line as a value of a field's type. What does not fit stays text, so that the schema's check
 * reports it as it was written. `None` is null everywhere.
 */
import type { z } from "zod";
import { definition, inner, isNullable, kindOf, type Schema } from "./schema.ts";

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
const TRUE = new Set(["true", "yes", "on", "1"]);
const FALSE = new Set(["false", "no", "off", "0"]);

/**
 * The value of one flag that was given once or several times.
 * @param texts What stood behind each use; `true` where nothing did.
 * @example
 * fromTexts(z.array(z.string()), ["terminal,file", "web"]) // ["terminal", "file", "web"]
 */
export function fromTexts(schema: Schema, texts: readonly (string | true)[]): unknown {
  const last = texts.at(-1)!;
  if (kindOf(schema) !== "array" || last === true || last === "None") return fromText(schema, last);
  const element = definition(inner(schema)).element!;
  return texts.flatMap((text) => {
    if (text === true || text === "None") return [];
    const list = parsed(text);
    if (Array.isArray(list)) return list;
    return splitOutsideQuotes(text).map((part) => fromText(element, part));
  });
}

function fromText(schema: Schema, text: string | true): unknown {
  if (text === true) return true;
  if (text === "None") return null;
  const target = inner(schema);
  switch (definition(target).type) {
    case "string":
      return text;
    case "int":
    case "number":
      if (NUMBER.test(text)) return Number(text);
      return text === "null" && isNullable(schema) ? null : text;
    case "boolean":
      return toBoolean(text) ?? (text === "null" && isNullable(schema) ? null : text);
    case "enum":
    case "literal": {
      const options = Object.values(definition(target).entries ?? definition(target).values ?? {});
      const match = options.find((option) => String(option) === text);
      return match ?? (text === "null" && isNullable(schema) ? null : text);
    }
    case "union": {
      const options = definition(target).options ?? [];
      for (const option of options) {
        const value = fromText(option, text);
        if ((option as z.ZodType).safeParse(value).success) return value;
      }
      return text;
    }
    case "array":
      return fromTexts(schema, [text]);
    default: {
      const value = parsed(text);
      return value === undefined ? text : value;
    }
  }
}

/** YAML 1.1 wrote booleans as yes and no, too; old files keep their meaning where a boolean is wanted. */
export function fromYaml(schema: Schema, value: unknown): unknown {
  if (typeof value !== "string" || kindOf(schema) !== "boolean") return value;
  return toBoolean(value) ?? value;
}

function toBoolean(text: string): boolean | null {
  const lower = text.toLowerCase();
  if (TRUE.has(lower)) return true;
  return FALSE.has(lower) ? false : null;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // not JSON: the caller takes it as text
  }
}

/** Comma-separated parts, trimmed, empty ones left out. A part in double quotes may hold commas. */
function splitOutsideQuotes(text: string): string[] {
  const parts = text.split(/,(?=(?:[^"]*"[^"]*")*[^"]*$)/).map((part) => part.trim());
  return parts
    .filter((part) => part !== "")
    .map((part) => (part.startsWith('"') ? String(parsed(part) ?? part) : part));
}
