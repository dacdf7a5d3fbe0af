/**
 * A YAML configuration file with the place of every value in it. Syntax errors, duplicate keys and unknown tags are
 * problems with line and column; the text of the file is never quoted in them, since it may hold keys.
 */
import { readFile } from "node:fs/promises";
import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  type YAMLMap,
} from "yaml";
import { errorMessage, isErrno, isObject } from "../core/index.ts";
import { type ConfigProblem, configError, foundText } from "./problem.ts";
import type { Source } from "./resolved.ts";

export interface YamlFile {
  /** As the user named it. */
  file: string;
  values: Record<string, unknown>;
  /** Place of the value at a path, or of the nearest thing above it. With `ofKey` the place of its key. */
  place(path: readonly (string | number)[], ofKey?: boolean): Source & { kind: "file" };
}

/** Reads a file. Throws `config_invalid` with every problem that makes it unreadable. */
export async function readYaml(file: string): Promise<YamlFile> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(file);
  } catch (error) {
    throw configError([{ place: file, message: unreadable(error) }]);
  }
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw configError([{ place: file, message: "is not text in UTF-8." }]);
  }
  return parseYaml(text, file);
}

/** Parses the text of a file that `file` names in messages. */
export function parseYaml(text: string, file: string): YamlFile {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, merge: true, logLevel: "silent" });
  const at = (offset: number): Source & { kind: "file" } => {
    const { line, col } = lines.linePos(offset);
    return { kind: "file", file, line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  const placeOf = (offset: number): string => {
    const { line, column } = at(offset);
    return `${file}:${line}:${column}`;
  };
  const problems: ConfigProblem[] = [...document.errors, ...document.warnings].map((error) => ({
    place: placeOf(error.pos[0]),
    message: yamlMessage(error.code, error.message),
  }));
  if (problems.length > 0) throw configError(problems);

  let values: unknown;
  try {
    values = document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    throw configError([{ place: file, message: `cannot be expanded: ${errorMessage(error)}.` }]);
  }
  if (values !== null && !isObject(values)) {
    throw configError([
      {
        place: placeOf(document.contents?.range?.[0] ?? 0),
        message: `must hold sections such as env and openai, found ${foundText(values)}.`,
      },
    ]);
  }
  return {
    file,
    values: values ?? {},
    place: (path, ofKey = false) => at(offsetOf(document, path, ofKey)),
  };
}

function offsetOf(document: Document.Parsed, path: readonly (string | number)[], ofKey: boolean): number {
  let node: unknown = document.contents;
  let offset = document.contents?.range?.[0] ?? 0;
  for (const [depth, key] of path.entries()) {
    const target: unknown = isAlias(node) ? node.resolve(document) : node;
    let found: { key: unknown; value: unknown } | null = null;
    if (isMap(target)) found = pairOf(document, target, String(key));
    else if (isSeq(target)) found = { key: null, value: target.items[Number(key)] };
    if (found === null) return offset;
    const keyOffset = (found.key as Node | null)?.range?.[0];
    const valueOffset = (found.value as Node | null)?.range?.[0];
    offset = (ofKey && depth === path.length - 1 ? keyOffset : valueOffset) ?? keyOffset ?? valueOffset ?? offset;
    node = found.value;
  }
  return offset;
}

function pairOf(
  document: Document.Parsed,
  map: YAMLMap,
  key: string,
  depth = 0,
): { key: unknown; value: unknown } | null {
  const plain = map.items.find((pair) => String(isScalar(pair.key) ? pair.key.value : pair.key) === key);
  if (plain !== undefined) return plain;
  if (depth > 20) return null;
  for (const pair of map.items) {
    if (!isScalar(pair.key) || (pair.key.value !== "<<" && pair.key.source !== "<<")) continue;
    const sources = isSeq(pair.value) ? pair.value.items : [pair.value];
    for (const source of sources) {
      const target: unknown = isAlias(source) ? source.resolve(document) : source;
      const found = isMap(target) ? pairOf(document, target, key, depth + 1) : null;
      if (found !== null) return found;
    }
  }
  return null;
}

function unreadable(error: unknown): string {
  const code = isErrno(error) ? error.code : null;
  if (code === "ENOENT") return "there is no such configuration file.";
  if (code === "EISDIR") return "is a directory; a YAML file is needed.";
  return `cannot be read: ${errorMessage(error)}.`;
}

function yamlMessage(code: string, message: string): string {
  if (code === "DUPLICATE_KEY") return "this key stands twice in its section.";
  if (code === "MULTIPLE_DOCS") return "a configuration file holds one document; here a second one starts.";
  if (code === "TAB_AS_INDENT") return "tabs cannot indent YAML; use spaces.";
  // The parser quotes the text it stumbled over; that text may be a key.
  const plain = message
    .split("\n")[0]!
    .replace(/"[^"]*"/g, "…")
    .replace(/: .*$/, "")
    .replace(/\.$/, "");
  return `YAML cannot be read here: ${plain}.`;
}
