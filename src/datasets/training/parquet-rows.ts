/**
 * Training rows as parquet. Lists and objects are columns of JSON text, which every reader of parquet takes. Rows are
 * encoded block by block, so that memory does not grow with the file.
 */
import type { RowWriter } from "./row-writer.ts";
import { COLUMNS, type RowKind, type TrainingRow } from "./rows.ts";

/** Characters and rows of a block: readers hold whole blocks as well. */
const BLOCK_CHARACTERS = 32 * 1024 * 1024;
const BLOCK_ROWS = 50_000;

type Cell = string | number | null;

/** Writes to the path, which is replaced. The columns are those of the first row, and `tools`. */
export async function parquetRows(path: string, kind: RowKind): Promise<RowWriter> {
  const { fileWriter, ParquetWriter } = await import("hyparquet-writer");
  const file = fileWriter(path);
  let columns: Map<string, Cell[]> | null = null;
  let writer: InstanceType<typeof ParquetWriter> | null = null;
  let rows = 0;
  let characters = 0;

  const open = (names: readonly string[]) => {
    columns = new Map(names.map((name) => [name, []]));
    const fields = names.map((name) =>
      name === "score"
        ? { name, type: "DOUBLE" as const, repetition_type: "OPTIONAL" as const }
        : { name, type: "BYTE_ARRAY" as const, converted_type: "UTF8" as const, repetition_type: "OPTIONAL" as const },
    );
    writer = new ParquetWriter({ writer: file, schema: [{ name: "root", num_children: fields.length }, ...fields] });
    return columns;
  };
  const flush = async () => {
    if (columns === null || rows === 0) return;
    const columnData = [...columns].map(([name, data]) => ({ name, data }));
    await writer?.write({ columnData, rowGroupSize: rows });
    for (const column of columns.values()) column.length = 0;
    rows = 0;
    characters = 0;
  };
  return {
    async write(row: TrainingRow) {
      columns ??= open([...new Set([...Object.keys(row), "tools"])]);
      for (const [name, column] of columns) {
        const cell = cellOf((row as unknown as Record<string, unknown>)[name]);
        column.push(cell);
        if (typeof cell === "string") characters += cell.length;
      }
      if (++rows >= BLOCK_ROWS || characters >= BLOCK_CHARACTERS) await flush();
    },
    async close() {
      columns ??= open([...COLUMNS[kind], "tools"]);
      await flush();
      await writer?.finish();
    },
    async discard() {
      columns = null;
    },
  };
}

function cellOf(value: unknown): Cell {
  if (value === undefined || value === null) return null;
  return typeof value === "object" ? JSON.stringify(value) : (value as string | number);
}
