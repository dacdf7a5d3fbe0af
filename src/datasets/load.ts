/**
 * Loads a data set from a folder, a file or the hub. Rows are read when they are asked for, in the order of the files, so
 * that a large set needs no memory; everything about where they come from is settled, and checked, before the first.
 */
import { existsSync } from "node:fs";
import { readdir, readFile, stat } from "node:fs/promises";
import { basename, extname, join, resolve } from "node:path";
import { LachesisError } from "../core/index.ts";
import { readCsv } from "./csv-file.ts";
import { chooseFiles, formatOf } from "./data-files.ts";
import type { Entry, Row } from "./entry.ts";
import { Hub, type HubOptions } from "./hub.ts";
import { readJson, readJsonl } from "./json-files.ts";

export interface DatasetRequest extends HubOptions {
  /** A folder, a .parquet, .jsonl, .json, .csv or .tsv file (.gz and .zst, too), or a hub id such as `owner/name`. */
  name: string;
  /** Subset; null is the default one. */
  config?: string | null;
  /** Default `train`. A single file is the split, whatever it is called. */
  split?: string;
  /** Branch, tag or commit of a data set from the hub; null is `main`, pinned at first use. */
  revision?: string | null;
}

/** A data set that can be read any number of times. */
export interface Dataset extends AsyncIterable<Row> {
  name: string;
  split: string;
  /** Commit on the hub; null for local data. Record it: with it, the same rows can be had again. */
  revision: string | null;
  /** Absolute paths on this machine. */
  files: readonly string[];
  /** The rows with their places, for messages. */
  entries(): AsyncIterable<Entry>;
  /** All rows, in memory. */
  rows(): Promise<Row[]>;
}

/**
 * Finds a data set. Throws `not_found` (naming what there is), `auth`, `connection`; reading throws `data_invalid` with
 * file and line.
 * @example
 * const train = await loadDataset({ name: "tasks.jsonl" });
 * for await (const row of train) console.log(row.prompt);
 */
export async function loadDataset(request: DatasetRequest): Promise<Dataset> {
  const split = request.split ?? "train";
  const { files, revision } = await findFiles(request, split);
  const entries = async function* () {
    for (const file of files) yield* entriesOf(file, split);
  };
  return {
    name: request.name,
    split,
    revision,
    files,
    entries,
    async rows() {
      const rows: Row[] = [];
      for await (const { row } of entries()) rows.push(row);
      return rows;
    },
    async *[Symbol.asyncIterator]() {
      for await (const { row } of entries()) yield row;
    },
  };
}

async function* entriesOf(file: string, split: string): AsyncGenerator<Entry> {
  // Parquet and its decompressors are half a megabyte of code: loaded for those who have such files.
  if (formatOf(file) === "parquet") yield* (await import("./parquet-file.ts")).readParquet(file);
  else yield* textEntries(file, split);
}

function textEntries(file: string, split: string): AsyncIterable<Entry> {
  switch (formatOf(file)) {
    case "jsonl":
      return readJsonl(file);
    case "json":
      return readJson(file, split);
    case "csv":
      return readCsv(file, ",");
    case "tsv":
      return readCsv(file, "\t");
    default:
      throw new LachesisError(
        "data_invalid",
        `${file}: allowed: .parquet, .jsonl, .json, .csv, .tsv (.gz and .zst, too).`,
      );
  }
}

async function findFiles(
  request: DatasetRequest,
  split: string,
): Promise<{ files: string[]; revision: string | null }> {
  const { name, config = null } = request;
  const path = resolve(name);
  if (existsSync(path)) {
    const info = await stat(path);
    if (request.revision) {
      throw new LachesisError(
        "config_invalid",
        `${name} is local data, which has no revisions; leave dataset_revision out.`,
      );
    }
    if (!info.isDirectory()) {
      if (formatOf(path) === null) {
        const ending = extname(path) || basename(path);
        throw new LachesisError(
          "data_invalid",
          `${name}: "${ending}" is no known format; allowed: .parquet, .jsonl, .json, .csv, .tsv (.gz and .zst, too).`,
        );
      }
      return { files: [path], revision: null };
    }
    const readme = existsSync(join(path, "README.md")) ? await readFile(join(path, "README.md"), "utf8") : null;
    const chosen = chooseFiles({ files: await listFiles(path), readme, config, split, name });
    return { files: chosen.map((file) => join(path, file)), revision: null };
  }
  if (!/^[\w][\w.-]*(\/[\w][\w.-]*)?$/.test(name) || formatOf(name) !== null) {
    throw new LachesisError(
      "not_found",
      `${name}: there is no such file or folder, and it is no id of the hub (owner/name).`,
    );
  }
  return findOnHub(request, split);
}

async function findOnHub(request: DatasetRequest, split: string): Promise<{ files: string[]; revision: string }> {
  const hub = new Hub(request);
  const dataset = await hub.resolve(request.name, request.revision ?? null);
  const card = dataset.files.find(({ path }) => path === "README.md");
  const readme = card === undefined ? null : await readFile(await hub.download(dataset, card), "utf8");
  const chosen = chooseFiles({
    files: dataset.files.map(({ path }) => path),
    readme,
    config: request.config ?? null,
    split,
    name: request.name,
  });
  const files: string[] = [];
  for (const path of chosen) files.push(await hub.download(dataset, dataset.files.find((file) => file.path === path)!));
  return { files, revision: dataset.commit };
}

/** Relative paths of all files below a folder; hidden folders and node_modules are left out. */
async function listFiles(folder: string): Promise<string[]> {
  const found: string[] = [];
  const visit = async (below: string): Promise<void> => {
    for (const entry of await readdir(join(folder, below), { withFileTypes: true })) {
      if (entry.name.startsWith(".") || entry.name === "node_modules") continue;
      const path = below === "" ? entry.name : `${below}/${entry.name}`;
      const info = entry.isSymbolicLink() ? await stat(join(folder, path)).catch(() => null) : entry;
      if (info?.isFile()) found.push(path);
      // A link to a folder could lead back up; only real folders are entered.
      else if (entry.isDirectory()) await visit(path);
    }
  };
  await visit("");
  return found;
}
