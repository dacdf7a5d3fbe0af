/**
 * Writes training rows to a file: JSON lines as they come, parquet at the end. The file appears whole under its name or
 * not at all, and one that exists is never replaced.
 */

import { once } from "node:events";
import { createWriteStream, existsSync } from "node:fs";
import { copyFile, rename, rm } from "node:fs/promises";
import { finished } from "node:stream/promises";
import { LachesisError } from "../../core/index.ts";
import type { TrainingRow } from "./rows.ts";
import { shareGpt } from "./sharegpt.ts";

export const ROW_FORMATS = ["jsonl", "sharegpt", "parquet"] as const;
export type RowFormat = (typeof ROW_FORMATS)[number];

export interface RowWriter {
  write(row: TrainingRow): Promise<void>;
  /** Gives the file its name. */
  close(): Promise<void>;
  /** Leaves no file behind. */
  discard(): Promise<void>;
}

/** Throws `conflict` where the file exists and `append` is not asked for. */
export async function openRows(path: string, format: RowFormat, append: boolean): Promise<RowWriter> {
  const exists = existsSync(path);
  if (exists && !append) throw new LachesisError("conflict", `${path} exists; name another file, or use --append.`);
  if (format === "parquet") {
    if (exists) throw new LachesisError("unsupported", `${path}: a parquet file cannot be appended to.`);
    return parquetRows(path);
  }
  const temporary = `${path}.partial`;
  if (exists) await copyFile(path, temporary);
  const stream = createWriteStream(temporary, { flags: exists ? "a" : "w" });
  // Errors reach the caller through `write` and `close`.
  const failed = once(stream, "error").then(([error]) => error as Error);
  failed.catch(() => {});
  return {
    async write(row) {
      const shown = format === "sharegpt" ? shareGpt(row) : row;
      if (stream.errored) throw stream.errored;
      if (!stream.write(`${JSON.stringify(shown)}\n`)) await Promise.race([once(stream, "drain"), failed]);
    },
    async close() {
      stream.end();
      await finished(stream);
      await rename(temporary, path);
    },
    async discard() {
      stream.destroy();
      await rm(temporary, { force: true });
    },
  };
}

/** Lists and objects become columns of JSON text, which every reader of parquet takes. */
async function parquetRows(path: string): Promise<RowWriter> {
  const { parquetWriteFile } = await import("hyparquet-writer");
  const columns = new Map<string, (string | number | null)[]>();
  let count = 0;
  return {
    async write(row) {
      for (const [name, value] of Object.entries(row)) {
        const column = columns.get(name) ?? Array<null>(count).fill(null);
        columns.set(name, column);
        column.push(typeof value === "object" ? JSON.stringify(value) : (value as string | number));
      }
      count++;
      for (const column of columns.values()) if (column.length < count) column.push(null);
    },
    async close() {
      const columnData = [...columns].map(([name, data]) => ({
        name,
        data,
        type: name === "score" ? ("DOUBLE" as const) : ("STRING" as const),
      }));
      parquetWriteFile({ filename: `${path}.partial`, columnData });
      await rename(`${path}.partial`, path);
    },
    discard: () => rm(`${path}.partial`, { force: true }),
  };
}
