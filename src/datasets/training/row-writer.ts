/**
 * Writes training rows to a file, any number of them: JSON lines as they come, parquet in blocks. The file appears whole
 * under its name or not at all, and one that exists is never replaced.
 */

import { once } from "node:events";
import { createWriteStream, existsSync } from "node:fs";
import { copyFile, mkdir, open, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { finished } from "node:stream/promises";
import { errorMessage, isErrno, LachesisError, toLachesisError } from "../../core/index.ts";
import { parquetRows } from "./parquet-rows.ts";
import type { RowKind, TrainingRow } from "./rows.ts";
import { shareGpt } from "./sharegpt.ts";

export const ROW_FORMATS = ["jsonl", "sharegpt", "parquet"] as const;
export type RowFormat = (typeof ROW_FORMATS)[number];

export interface RowWriter {
  write(row: TrainingRow): Promise<void>;
  /** Nothing is missing: gives the file its name. `ready` is called before, with the bytes that it has. */
  close(ready?: (bytes: number) => Promise<void>): Promise<void>;
  /** Leaves no file behind. */
  discard(): Promise<void>;
}

export interface RowFile {
  path: string;
  format: RowFormat;
  /** What the rows are; an empty parquet file has columns, too. */
  kind: RowKind;
  append: boolean;
}

/** Throws what `openRows` would throw. */
export function refuseToReplace({ path, format, append }: Omit<RowFile, "kind">): void {
  if (!existsSync(path)) return;
  if (!append) throw new LachesisError("conflict", `${path} exists; name another file, or use --append.`);
  if (format === "parquet") throw new LachesisError("unsupported", `${path}: a parquet file cannot be appended to.`);
}

/**
 * Makes the folders above the file. Throws `conflict` where the file exists and `append` is not asked for; here and later
 * `disk_full` and `data_invalid`, with the path, where it cannot be written.
 */
export async function openRows(file: RowFile): Promise<RowWriter> {
  refuseToReplace(file);
  const { path, format, kind } = file;
  const temporary = `${path}.partial`;
  try {
    await makeFolderOf(path);
    const rows = format === "parquet" ? await parquetRows(temporary, kind) : await lineRows(temporary, file);
    return namedAtEnd(rows, temporary, path);
  } catch (error) {
    throw cannotWrite(path, error);
  }
}

export async function makeFolderOf(path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
}

/** An error of the file system as one of ours, with the path. */
export function cannotWrite(path: string, error: unknown): LachesisError {
  if (!isErrno(error)) return toLachesisError(error);
  const code = toLachesisError(error, "data_invalid").code;
  return new LachesisError(code, `${path} cannot be written: ${errorMessage(error)}.`, { cause: error });
}

async function lineRows(temporary: string, { path, format }: RowFile): Promise<RowWriter> {
  const exists = existsSync(path);
  if (exists) {
    await copyFile(path, temporary);
    await endLastLine(temporary);
  }
  const stream = createWriteStream(temporary, { flags: exists ? "a" : "w" });
  // Errors reach the caller through `write` and `close`.
  const failed = once(stream, "error").then(([error]) => error as Error);
  failed.catch(() => {});
  return {
    async write(row) {
      const shown = format === "sharegpt" ? shareGpt(row) : row;
      if (stream.errored) throw stream.errored;
      if (!stream.write(`${lineOf(shown)}\n`)) await Promise.race([once(stream, "drain"), failed]);
    },
    async close() {
      stream.end();
      await finished(stream);
    },
    async discard() {
      stream.destroy();
    },
  };
}

/** Files that others wrote may end without a line's end: a row behind it would be part of that line. */
async function endLastLine(path: string): Promise<void> {
  const file = await open(path, "r+");
  try {
    const { size } = await file.stat();
    const last = Buffer.alloc(1);
    if (size > 0) await file.read(last, 0, 1, size - 1);
    if (size > 0 && last.toString("latin1") !== "\n") await file.write("\n", size);
  } finally {
    await file.close();
  }
}

function namedAtEnd(rows: RowWriter, temporary: string, path: string): RowWriter {
  const failed = (error: unknown) => {
    throw cannotWrite(path, error);
  };
  return {
    write: (row) => rows.write(row).catch(failed),
    async close(ready) {
      await rows.close().catch(failed);
      await ready?.((await stat(temporary)).size);
      await intoPlace(temporary, path).catch(failed);
    },
    async discard() {
      await rows.discard();
      await rm(temporary, { force: true });
    },
  };
}

/** Whole scores have a point, too: readers that take a column's type from its first rows must not find integers. */
function lineOf(row: object): string {
  const fields = Object.entries(row).flatMap(([name, value]) => {
    const text = JSON.stringify(value);
    if (text === undefined) return [];
    return `${JSON.stringify(name)}:${name === "score" && /^-?\d+$/.test(text) ? `${text}.0` : text}`;
  });
  return `{${fields.join(",")}}`;
}

/** The name stands for the whole content even if the machine loses its power now. */
async function intoPlace(temporary: string, path: string): Promise<void> {
  const file = await open(temporary, "r+");
  try {
    await file.datasync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
}
