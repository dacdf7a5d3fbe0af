/** The fields of a schema as rows, for `--help` and for the tables in docs/configuration.md. */
import { isObject } from "../core/index.ts";
import { allowedText, defaultOf, metaOf, type Schema, shapeOf } from "./schema.ts";

export interface FieldRow {
  name: string;
  /** What it takes, in words. */
  allowed: string;
  /** As JSON; "required" where there is none. */
  fallback: string;
  description: string;
}

export interface FieldGroup {
  title: string;
  fields: readonly string[];
}

/** The rows of the given fields, in the schema's order; of all fields without them. */
export function fieldRows(schema: Schema, fields?: readonly string[]): FieldRow[] {
  const rows: FieldRow[] = [];
  for (const [name, field] of Object.entries(shapeOf(schema) ?? {})) {
    if (fields !== undefined && !fields.includes(name)) continue;
    const fallback = defaultOf(field);
    rows.push({
      name,
      allowed: allowedText(field),
      fallback: fallback === undefined ? "required" : defaultText(fallback),
      description: metaOf(field).description,
    });
  }
  return rows;
}

/** The groups that the schema has fields of; what stands in none comes first, under the environment's own name. */
export function groupsOf(schema: Schema, groups: readonly FieldGroup[], own: string): FieldGroup[] {
  const names = Object.keys(shapeOf(schema) ?? {});
  const known = new Set(groups.flatMap((group) => group.fields));
  const others = names.filter((name) => !known.has(name));
  return [{ title: own, fields: others }, ...groups]
    .map(({ title, fields }) => ({ title, fields: fields.filter((field) => names.includes(field)) }))
    .filter(({ fields }) => fields.length > 0);
}

/** Help lines of a section: the flag with its default, and what it means. */
export function helpLines(section: string, rows: readonly FieldRow[], width = 100): string[] {
  return rows.flatMap(({ name, allowed, fallback, description }) => {
    const flag = section === "" ? `--${name}` : `--${section}.${name}`;
    const head = `  ${flag} <${allowed}>  [${fallback}]`;
    return [head, ...wrap(description, width - 8).map((line) => `        ${line}`)];
  });
}

/** A Markdown table. */
export function markdownTable(rows: readonly FieldRow[]): string {
  const cell = (text: string) => text.replaceAll("|", "\\|").replaceAll("\n", " ");
  const lines = rows.map(
    ({ name, allowed, fallback, description }) =>
      `| \`${name}\` | ${cell(allowed)} | \`${cell(fallback)}\` | ${cell(description)} |`,
  );
  return ["| field | takes | default | meaning |", "|---|---|---|---|", ...lines].join("\n");
}

function defaultText(value: unknown): string {
  return isObject(value) && Object.keys(value).length === 0 ? "{}" : JSON.stringify(value);
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(/\s+/)) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return line === "" ? lines : [...lines, line];
}
