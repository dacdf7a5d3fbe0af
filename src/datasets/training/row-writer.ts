/**
 * Writes training rows to a file: JSON lines as they come, parquet at the end. The file appears whole under its name or
 * not at all, and one that exists is never replaced.
 */

import { once } from "node:events";
import { createWriteStream, existsSync } from "node:fs";
import { copyFile, open, rename, rm } from "node:fs/promises";
import { finished } from "node:stream/promises";
import { LachesisError } from "../../core/index.ts";
import { COLUMNS, type RowKind, type TrainingRow } from "./rows.ts";
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

/** Throws `conflict` where the file exists and `append` is not asked for. */
export async function openRows({ path, format, kind, append }: RowFile): Promise<RowWriter> {
  refuseToReplace({ path, format, append });
  const exists = existsSync(path);
  if (format === "parquet") return parquetRows(path, kind);
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
      await intoPlace(temporary, path);
    },
    async discard() {
      stream.destroy();
      await rm(temporary, { force: true });
    },
  };
}

/** Lists and objects become columns of JSON text, which every reader of parquet takes. */
async function parquetRows(path: string, kind: RowKind): Promise<RowWriter> {
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
      if (count === 0) for (const name of COLUMNS[kind]) columns.set(name, []);
      const columnData = [...columns].map(([name, data]) => ({
        name,
        data,
        type: name === "score" ? ("DOUBLE" as const) : ("STRING" as const),
      }));
      parquetWriteFile({ filename: `${path}.partial`, columnData });
      await intoPlace(`${path}.partial`, path);
    },
    discard: () => rm(`${path}.partial`, { force: true }),
  };
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
