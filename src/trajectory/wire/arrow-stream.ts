/**
 * Reads an Arrow IPC stream of untrusted bytes: every offset and length is checked against the bytes that are there
 * before it is used, so that a stream costs no more than its size. It knows the column types that groups use; the
 * general reader of the apache-arrow package, which writes ours, trusts lengths and can be made to fill the memory.
 * Format: https://arrow.apache.org/docs/format/Columnar.html, Message.fbs and Schema.fbs.
 */
import { FlatTable, StreamError } from "./flatbuffer.ts";

export interface ArrowStream {
  metadata: Map<string, string>;
  batches: { rows: number; columns: Map<string, ArrowColumn> }[];
}

export type ArrowColumn =
  | { kind: "null" }
  | { kind: "int32"; length: number; valid: Validity; values: Int32Array }
  | { kind: "float32"; length: number; valid: Validity; values: Float32Array }
  | { kind: "float64"; length: number; valid: Validity; values: Float64Array }
  | { kind: "bool"; length: number; valid: Validity; values: Uint8Array }
  | { kind: "utf8"; length: number; valid: Validity; offsets: Offsets; values: Uint8Array }
  | { kind: "list"; length: number; valid: Validity; offsets: Offsets; item: ArrowColumn };

/** null: every row is valid. */
type Validity = Uint8Array | null;
type Offsets = Int32Array | BigInt64Array;

interface ColumnType {
  name: string;
  kind: "null" | "int32" | "float32" | "float64" | "bool" | "utf8" | "list";
  /** 64-bit offsets. */
  large: boolean;
  item: ColumnType | null;
}

const CONTINUATION = 0xffffffff;
const HEADER = { schema: 1, recordBatch: 3 } as const;
const MOST_COLUMNS = 64;

/** True for a null row. */
export function isNull(column: ArrowColumn, row: number): boolean {
  return column.kind === "null" || (column.valid !== null && ((column.valid[row >> 3]! >> (row & 7)) & 1) === 0);
}

/** Throws `StreamError`. */
export function readArrowStream(bytes: Uint8Array): ArrowStream {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let schema: ColumnType[] | null = null;
  const stream: ArrowStream = { metadata: new Map(), batches: [] };
  let at = 0;
  // Without its mark the end of the bytes is the stream's.
  while (at < bytes.byteLength) {
    if (at + 8 > bytes.byteLength) throw new StreamError("The stream is cut short");
    if (view.getUint32(at, true) !== CONTINUATION) throw new StreamError(`No message begins at byte ${at}`);
    const size = view.getInt32(at + 4, true);
    if (size === 0) {
      if (at + 8 < bytes.byteLength) throw new StreamError("Something follows the end of the stream");
      break;
    }
    const body = at + 8 + size;
    if (size < 0 || body > bytes.byteLength) throw new StreamError("A message is longer than the stream");
    const message = FlatTable.root(bytes.subarray(at + 8, body));
    const bodyLength = message.int64(3);
    if (bodyLength < 0 || body + bodyLength > bytes.byteLength) throw new StreamError("The stream is cut short");
    const header = message.table(2);
    const kind = message.uint8(1);
    if (!header) throw new StreamError("A message has no header");
    if (kind === HEADER.schema && !schema) {
      schema = columnTypes(header);
      for (const entry of header.tables(2)) stream.metadata.set(entry.text(0) ?? "", entry.text(1) ?? "");
    } else if (kind === HEADER.recordBatch && schema) {
      stream.batches.push(readBatch(header, schema, bytes.subarray(body, body + bodyLength)));
    } else throw new StreamError("Only a schema and record batches are read; dictionaries are not");
    at = body + bodyLength;
  }
  if (!schema) throw new StreamError("The stream has no schema");
  return stream;
}

function columnTypes(schema: FlatTable): ColumnType[] {
  const fields = schema.tables(1);
  if (fields.length > MOST_COLUMNS) throw new StreamError(`More than ${MOST_COLUMNS} columns`);
  const types = fields.map((field) => columnType(field, 0));
  const twice = types.find(({ name }, place) => types.findIndex((type) => type.name === name) !== place);
  if (twice) throw new StreamError(`Column ${twice.name} stands there twice`);
  return types;
}

function columnType(field: FlatTable, depth: number): ColumnType {
  const name = field.text(0) ?? "";
  const type = field.table(3);
  const plain = (kind: ColumnType["kind"], large = false): ColumnType => ({ name, kind, large, item: null });
  if (field.table(4)) throw new StreamError(`Column ${name}: dictionaries are not read`);
  switch (field.uint8(2)) {
    case 1:
      return plain("null");
    case 2:
      if (type?.int32(0) === 32 && type.uint8(1) === 1) return plain("int32");
      throw new StreamError(`Column ${name}: integers should be int32`);
    case 3:
      if (type?.int16(0) === 1) return plain("float32");
      if (type?.int16(0) === 2) return plain("float64");
      throw new StreamError(`Column ${name}: floats should be float32 or float64`);
    case 5:
      return plain("utf8");
    case 20:
      return plain("utf8", true);
    case 6:
      return plain("bool");
    case 12:
    case 21: {
      const [item] = field.tables(5);
      if (!item || depth > 0) throw new StreamError(`Column ${name}: lists hold plain values`);
      return { name, kind: "list", large: field.uint8(2) === 21, item: columnType(item, depth + 1) };
    }
  }
  throw new StreamError(`Column ${name}: its type is not one that groups use`);
}

function readBatch(header: FlatTable, schema: readonly ColumnType[], body: Uint8Array): ArrowStream["batches"][number] {
  if (header.table(3))
    throw new StreamError("Compressed buffers are not read; compress the whole body (Content-Encoding)");
  const rows = header.int64(0);
  const parts = new Parts(header.pairs(1), header.pairs(2), body);
  const columns = new Map(schema.map((type) => [type.name, parts.column(type)]));
  for (const [name, column] of columns) {
    if (column.kind !== "null" && column.length !== rows) throw new StreamError(`Column ${name} has not ${rows} rows`);
  }
  return { rows, columns };
}

/** Hands out a batch's nodes and buffers in the order in which its columns take them. */
class Parts {
  readonly #nodes: readonly (readonly [number, number])[];
  readonly #buffers: readonly (readonly [number, number])[];
  readonly #body: Uint8Array;
  #node = 0;
  #buffer = 0;

  constructor(nodes: readonly (readonly [number, number])[], buffers: typeof nodes, body: Uint8Array) {
    this.#nodes = nodes;
    this.#buffers = buffers;
    this.#body = body;
  }

  column({ kind, large, item }: ColumnType): ArrowColumn {
    const [length, nulls] = this.#nodes[this.#node++] ?? [-1, 0];
    if (length < 0) throw new StreamError("A column has no length");
    if (kind === "null") return { kind };
    const bitmap = this.#next();
    const valid = nulls > 0 ? sized(bitmap, Math.ceil(length / 8)) : null;
    switch (kind) {
      case "int32":
        return { kind, length, valid, values: new Int32Array(...aligned(sized(this.#next(), length * 4), 4)) };
      case "float32":
        return { kind, length, valid, values: new Float32Array(...aligned(sized(this.#next(), length * 4), 4)) };
      case "float64":
        return { kind, length, valid, values: new Float64Array(...aligned(sized(this.#next(), length * 8), 8)) };
      case "bool":
        return { kind, length, valid, values: sized(this.#next(), Math.ceil(length / 8)) };
      case "utf8": {
        const offsets = this.#offsets(length, large);
        return { kind, length, valid, offsets, values: this.#next() };
      }
      case "list": {
        const offsets = this.#offsets(length, large);
        return { kind, length, valid, offsets, item: this.column(item!) };
      }
    }
  }

  #offsets(length: number, large: boolean): Offsets {
    const buffer = this.#next();
    // A column without rows may leave its offsets out.
    if (length === 0) return new Int32Array(1);
    return large
      ? new BigInt64Array(...aligned(sized(buffer, (length + 1) * 8), 8))
      : new Int32Array(...aligned(sized(buffer, (length + 1) * 4), 4));
  }

  #next(): Uint8Array {
    const [offset, length] = this.#buffers[this.#buffer++] ?? [-1, 0];
    if (offset < 0 || length < 0 || offset + length > this.#body.byteLength)
      throw new StreamError("A buffer lies outside of the stream");
    return this.#body.subarray(offset, offset + length);
  }
}

function sized(buffer: Uint8Array, bytes: number): Uint8Array {
  if (buffer.byteLength < bytes) throw new StreamError("A column's data is cut short");
  return buffer.subarray(0, bytes);
}

/** Typed arrays need their place to be a multiple of their size; what is not is copied. */
function aligned(bytes: Uint8Array, size: number): [ArrayBuffer, number, number] {
  const placed = bytes.byteOffset % size === 0 && bytes.buffer instanceof ArrayBuffer ? bytes : Uint8Array.from(bytes);
  return [placed.buffer as ArrayBuffer, placed.byteOffset, placed.byteLength / size];
}
