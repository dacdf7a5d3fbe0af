/**
 * A section of the configuration while its layers are laid over each other: values, and for each where it came from.
 * Checking it gives all problems at once, each at its own place.
 */
import type { z } from "zod";
import { isObject, nearestName } from "../core/index.ts";
import { type ConfigProblem, foundText, hint } from "./problem.ts";
import { type Source, sourceText } from "./resolved.ts";
import { allowedText, isOpen, kindOf, metaOf, type Schema, schemaAt, shapeOf } from "./schema.ts";
import { isSecretName } from "./secret-fields.ts";
import type { YamlFile } from "./yaml.ts";

export class Draft {
  readonly values: Record<string, unknown> = {};
  /** By path below the section, joined with dots. */
  readonly sources: Record<string, Source> = {};
  /** The file, and the section's path in it. */
  yaml: { file: YamlFile; path: readonly (string | number)[] } | null = null;

  /** Sets the value at a path. Setting below a value that is no object replaces that value. */
  set(path: readonly string[], value: unknown, source: Source): void {
    let holder = this.values;
    for (const key of path.slice(0, -1)) {
      const below = Object.hasOwn(holder, key) ? holder[key] : undefined;
      const copy: Record<string, unknown> = isObject(below) ? { ...below } : {};
      define(holder, key, copy);
      holder = copy;
    }
    define(holder, path.at(-1)!, value);
    const name = path.join(".");
    for (const other of Object.keys(this.sources)) if (other.startsWith(`${name}.`)) delete this.sources[other];
    this.sources[name] = source;
  }

  drop(field: string): void {
    delete this.values[field];
    for (const other of Object.keys(this.sources)) {
      if (other === field || other.startsWith(`${field}.`)) delete this.sources[other];
    }
  }

  has(field: string): boolean {
    return Object.hasOwn(this.values, field);
  }

  copy(): Draft {
    const copy = new Draft();
    Object.assign(copy.values, this.values);
    Object.assign(copy.sources, this.sources);
    copy.yaml = this.yaml;
    return copy;
  }

  /** Where the value at a path came from; `default` where nothing set it. */
  source(path: readonly (string | number)[], ofKey = false): Source {
    for (let length = path.length; length > 0; length--) {
      const source = this.sources[path.slice(0, length).join(".")];
      if (source === undefined) continue;
      if (source.kind !== "file" || this.yaml === null) return source;
      return this.yaml.file.place([...this.yaml.path, ...path], ofKey);
    }
    return { kind: "default" };
  }
}

/** Own property, whatever its name. */
function define(holder: Record<string, unknown>, key: string, value: unknown): void {
  Object.defineProperty(holder, key, { value, enumerable: true, configurable: true, writable: true });
}

/** A field that a schema does not name. */
interface UnknownField {
  path: string[];
  known: string[];
}

/** Keys that no schema on their way names, at every depth. */
function unknownFields(schema: Schema, value: unknown, path: string[] = []): UnknownField[] {
  if (Array.isArray(value)) {
    const element = schemaAt(schema, ["0"]);
    if (element === null || kindOf(schema) !== "array") return [];
    return value.flatMap((item, index) => unknownFields(element, item, [...path, String(index)]));
  }
  if (!isObject(value)) return [];
  const shape = shapeOf(schema);
  return Object.entries(value).flatMap(([key, item]) => {
    const below = schemaAt(schema, [key]);
    if (below !== null) return unknownFields(below, item, [...path, key]);
    if (shape === null || isOpen(schema)) return [];
    return [{ path: [...path, key], known: Object.keys(shape) }];
  });
}

/**
 * Checks a section.
 * @param section How its fields are called in messages: `env`, `openai`, `openai.1`, or "" for the top level.
 * @returns The parsed value, or null when it has problems.
 */
export function checkDraft<Shape extends z.ZodObject>(
  draft: Draft,
  schema: Shape,
  section: string,
  problems: ConfigProblem[],
): z.infer<Shape> | null {
  const before = problems.length;
  const nameOf = (path: readonly (string | number)[]) => [section, ...path].filter((part) => part !== "").join(".");
  for (const { path, known } of unknownFields(schema, draft.values)) {
    const nearest = nearestName(path.at(-1)!, known);
    const full = nearest === undefined ? null : nameOf([...path.slice(0, -1), nearest]);
    const source = draft.source(path, true);
    const help = full === null && known.length <= 12 ? ` Allowed: ${known.join(", ")}.` : "";
    problems.push({ place: sourceText(source), message: `${nameOf(path)} is no known field.${hint(full)}${help}` });
  }
  const parsed = schema.safeParse(draft.values);
  if (parsed.success) return problems.length === before ? parsed.data : null;
  for (const issue of parsed.error.issues) {
    if (issue.code === "unrecognized_keys") continue; // reported above, each at its place
    problems.push(problemOf(issue, draft, schema, nameOf));
  }
  return null;
}

function problemOf(
  issue: z.core.$ZodIssue,
  draft: Draft,
  schema: Schema,
  nameOf: (path: readonly (string | number)[]) => string,
): ConfigProblem {
  const path = issue.path.filter((part) => typeof part !== "symbol");
  const names = path.map(String);
  const target = schemaAt(schema, names);
  const value = names.reduce<unknown>(
    (holder, key) =>
      holder !== null && typeof holder === "object" ? (holder as Record<string, unknown>)[key] : undefined,
    draft.values,
  );
  const name = nameOf(path);
  if (path.length === 0 || target === null) return { place: name || "configuration", message: issue.message };
  const source = sourceText(draft.source(path));
  const place = source === "default" ? name : source;
  if (value === undefined) {
    return { place, message: `${name} is required: ${allowedText(target)}. Set --${name}, or ${name} in the file.` };
  }
  const secret = names.some((key, depth) => {
    const at = schemaAt(schema, names.slice(0, depth + 1));
    return isSecretName(key) || (at !== null && metaOf(at).secret);
  });
  const allowed = allowedText(target);
  const nearest =
    issue.code === "invalid_value" && typeof value === "string"
      ? nearestName(value, issue.values.map(String))
      : undefined;
  const why = issue.code === "custom" ? `${issue.message}; ` : "";
  const found = secret ? "a hidden value" : foundText(value);
  return { place, message: `${name}: ${why}allowed: ${allowed}; found ${found}.${hint(nearest ?? null)}` };
}
