/**
 * Parquet, one piece of a row group at a time. Integers become numbers where a number holds them exactly and decimal text
 * elsewhere; dates become ISO text; binary columns stay bytes.
 */
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } from "hyparquet";
import { compressors } from "hyparquet-compressors";
import { errorMessage, LachesisError } from "../core/index.ts";
import type { Entry, Row } from "./entry.ts";
import { readError } from "./text-file.ts";

const ROWS_AT_ONCE = 10_000;

/** The rows of a parquet file. Throws `data_invalid` when it is none or is damaged. */
export async function* readParquet(path: string): AsyncGenerator<Entry> {
  let first = 0;
  try {
    const file = await asyncBufferFromFile(path);
    const metadata = await parquetMetadataAsync(file);
    for (const group of metadata.row_groups) {
      const end = first + Number(group.num_rows);
      for (let start = first; start < end; start += ROWS_AT_ONCE) {
        const rowEnd = Math.min(start + ROWS_AT_ONCE, end);
        const rows = await parquetReadObjects({ file, metadata, compressors, rowStart: start, rowEnd, utf8: false });
        for (const [index, row] of rows.entries()) {
          yield { row: plain(row) as Row, place: `${path} row ${start + index + 1}` };
        }
      }
      first = end;
    }
  } catch (error) {
    const known = readError(path, error);
    if (known.code === "not_found" || error instanceof LachesisError) throw known;
    throw new LachesisError("data_invalid", `${path}: this parquet file cannot be read: ${errorMessage(error)}.`, {
      cause: error,
    });
  }
}

function plain(value: unknown): unknown {
  if (typeof value === "bigint") {
    const isSafe = value <= BigInt(Number.MAX_SAFE_INTEGER) && value >= BigInt(Number.MIN_SAFE_INTEGER);
    return isSafe ? Number(value) : value.toString();
  }
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString();
  if (ArrayBuffer.isView(value)) {
    if (value instanceof Uint8Array) return value;
    return Array.from(value as unknown as Iterable<unknown>, plain);
  }
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]));
  }
  return value === undefined ? null : value;
}
