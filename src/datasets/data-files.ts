/**
 * Which files of a folder or repository belong to a subset and split. A README whose front matter has `configs` decides;
 * else names do, as on the hub: `train-00000-of-00002.parquet`, `data/test.jsonl`, `SUBSET/validation/0000.parquet`.
 */
import { createRequire } from "node:module";
import { isObject, LachesisError, nearestName } from "../core/index.ts";

const FORMATS = ["parquet", "jsonl", "json", "csv", "tsv"] as const;
export type Format = (typeof FORMATS)[number];

const SPLITS: Record<string, readonly string[]> = {
  train: ["train", "training"],
  validation: ["validation", "valid", "val", "dev"],
  test: ["test", "testing", "eval", "evaluation"],
};
const NO_DATA = /(^|\/)(dataset_infos?|dataset_dict|state|package|package-lock|tsconfig|config|.*\.index)\.json$/;

/** The format that a file's name tells; null for files that hold no rows. */
export function formatOf(path: string): Format | null {
  const ending = /\.(parquet|jsonl|ndjson|json|csv|tsv)(\.gz|\.zst)?$/i.exec(path)?.[1]?.toLowerCase();
  if (ending === undefined || (ending === "parquet" && !/\.parquet$/i.test(path))) return null;
  return ending === "ndjson" ? "jsonl" : (ending as Format);
}

export interface FileChoice {
  /** Relative paths with forward slashes. */
  files: readonly string[];
  /** Text of README.md, if there is one. */
  readme: string | null;
  config: string | null;
  split: string;
  /** For messages. */
  name: string;
}

/** The files of a split, in order, all of one format. Throws `not_found` saying which subsets and splits there are. */
export function chooseFiles(choice: FileChoice): string[] {
  const files = choice.files
    .filter((path) => formatOf(path) !== null && !NO_DATA.test(path) && !/(^|\/)[._]/.test(path))
    .sort();
  if (files.length === 0) {
    throw missing(`${choice.name} holds no .parquet, .jsonl, .json, .csv or .tsv file.`);
  }
  const declared = declaredConfigs(choice.readme);
  const bySplit = declared.length > 0 ? fromDeclaration(declared, files, choice) : fromNames(files, choice);
  const wanted = bySplit.get(choice.split) ?? bySplit.get(canonical(choice.split));
  if (wanted !== undefined && wanted.length > 0) return oneFormat(wanted);
  const names = [...bySplit.keys()];
  throw missing(
    `${choice.name} has no split "${choice.split}".${hint(choice.split, names)} It has: ${names.join(", ") || "none"}.`,
  );
}

interface DeclaredConfig {
  name: string;
  isDefault: boolean;
  splits: { split: string; patterns: string[] }[];
}

/** The `configs` of a README's front matter. */
function declaredConfigs(readme: string | null): DeclaredConfig[] {
  const front = /^\uFEFF?---\r?\n([\s\S]*?)\r?\n---/.exec(readme ?? "")?.[1];
  if (front === undefined) return [];
  let value: unknown;
  try {
    // Loaded at the first README that declares something: it is large.
    const { parse } = createRequire(import.meta.url)("yaml") as typeof import("yaml");
    value = parse(front, { logLevel: "silent" });
  } catch {
    return []; // Not ours to judge: the files' names decide instead.
  }
  const configs = isObject(value) && Array.isArray(value.configs) ? value.configs.filter(isObject) : [];
  return configs.flatMap((config) => {
    if (typeof config.config_name !== "string") return [];
    const splits = splitsOf(config.data_files, typeof config.data_dir === "string" ? config.data_dir : null);
    return splits.length === 0 ? [] : [{ name: config.config_name, isDefault: config.default === true, splits }];
  });
}

function splitsOf(dataFiles: unknown, folder: string | null): DeclaredConfig["splits"] {
  const texts = (value: unknown): string[] =>
    (Array.isArray(value) ? value : [value])
      .filter((item): item is string => typeof item === "string")
      .map((pattern) => (folder === null ? pattern : `${folder}/${pattern}`));
  const list = Array.isArray(dataFiles) ? dataFiles : dataFiles === undefined ? [] : [dataFiles];
  const objects = list.filter(isObject);
  if (objects.length > 0) {
    return objects.map(({ split, path }) => ({
      split: typeof split === "string" ? split : "train",
      patterns: texts(path),
    }));
  }
  const patterns = texts(list.length > 0 ? list : folder === null ? [] : "**");
  return patterns.length === 0 ? [] : [{ split: "train", patterns }];
}

function fromDeclaration(configs: DeclaredConfig[], files: string[], choice: FileChoice): Map<string, string[]> {
  const fallback = configs.find(({ isDefault }) => isDefault) ?? configs.find(({ name }) => name === "default");
  const config =
    choice.config === null
      ? (fallback ?? (configs.length === 1 ? configs[0] : undefined))
      : configs.find(({ name }) => name === choice.config);
  if (config === undefined)
    throw noConfig(
      choice,
      configs.map(({ name }) => name),
    );
  return new Map(
    config.splits.map(({ split, patterns }) => {
      const matchers = patterns.map(globPattern);
      return [split, files.filter((file) => matchers.some((matcher) => matcher.test(file)))];
    }),
  );
}

function fromNames(files: string[], choice: FileChoice): Map<string, string[]> {
  let chosen = files;
  if (choice.config !== null && choice.config !== "default") {
    const { config } = choice;
    const inFolder = files.filter((file) => file.split("/").slice(0, -1).includes(config));
    const byName = files.filter(
      (file) =>
        file
          .split("/")
          .at(-1)!
          .split(/[.\-_]/)[0] === config || file.split("/").at(-1)!.startsWith(`${config}.`),
    );
    chosen = inFolder.length > 0 ? inFolder : byName;
    if (chosen.length === 0) throw noConfig(choice, foldersOf(files));
  }
  const bySplit = new Map<string, string[]>();
  const unmarked: string[] = [];
  for (const file of chosen) {
    const split = splitNamed(file, choice.split);
    if (split === null) unmarked.push(file);
    else bySplit.set(split, [...(bySplit.get(split) ?? []), file]);
  }
  if (bySplit.size === 0) bySplit.set("train", unmarked);
  return bySplit;
}

/** The split that a path's words name; the wanted one counts as well, whatever it is called. */
function splitNamed(path: string, wanted: string): string | null {
  const words = path.toLowerCase().split(/[^a-z0-9]+/);
  if (
    path
      .toLowerCase()
      .split(/[/.]|-\d/)
      .includes(wanted.toLowerCase())
  )
    return wanted;
  for (const word of words.reverse()) {
    const split = Object.keys(SPLITS).find((name) => SPLITS[name]!.includes(word));
    if (split !== undefined) return split === canonical(wanted) ? wanted : split;
  }
  return null;
}

const canonical = (split: string): string =>
  Object.keys(SPLITS).find((name) => SPLITS[name]!.includes(split.toLowerCase())) ?? split;

/** A set of files in several formats holds the same rows several times: one format is read. */
function oneFormat(files: string[]): string[] {
  const format = FORMATS.find((name) => files.some((file) => formatOf(file) === name));
  return files.filter((file) => formatOf(file) === format);
}

/** `*`, `**`, `?`, `[…]` and `{a,b}`, as data cards use them. */
export function globPattern(glob: string): RegExp {
  const clean = glob.replace(/^\.?\//, "");
  let source = "";
  for (let at = 0; at < clean.length; at++) {
    const char = clean[at]!;
    if (clean.startsWith("**/", at)) {
      source += "(?:.*/)?";
      at += 2;
    } else if (clean.startsWith("**", at)) {
      source += ".*";
      at += 1;
    } else if (char === "*") source += "[^/]*";
    else if (char === "?") source += "[^/]";
    else if (char === "{") source += "(?:";
    else if (char === "}") source += ")";
    else if (char === "," && clean.lastIndexOf("{", at) > clean.lastIndexOf("}", at)) source += "|";
    else if (char === "[" && clean.indexOf("]", at) > 0) {
      const end = clean.indexOf("]", at);
      source += `[${clean
        .slice(at + 1, end)
        .replace(/^!/, "^")
        .replaceAll("\\", "\\\\")}]`;
      at = end;
    } else source += char.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  }
  try {
    return new RegExp(`^${source}$`);
  } catch {
    return new RegExp(`^${clean.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}$`); // no pattern after all: the name itself
  }
}

function foldersOf(files: string[]): string[] {
  return [...new Set(files.flatMap((file) => file.split("/").slice(0, -1)))].filter((name) => name !== "data");
}

function noConfig(choice: FileChoice, names: string[]): LachesisError {
  if (choice.config === null)
    return missing(`${choice.name} has several subsets; name one with dataset_config: ${names.join(", ")}.`);
  return missing(
    `${choice.name} has no subset "${choice.config}".${hint(choice.config, names)} It has: ${names.join(", ") || "none"}.`,
  );
}

function hint(name: string, names: readonly string[]): string {
  const near = nearestName(name, names);
  return near === undefined ? "" : ` Did you mean ${near}?`;
}

const missing = (message: string): LachesisError => new LachesisError("not_found", message);
