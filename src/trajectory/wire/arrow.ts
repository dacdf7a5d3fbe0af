/**
 * Scored groups as an Arrow IPC stream: one row per sequence, and what belongs to a whole group as JSON in the schema's
 * metadata under `groups`, one object per group in the order of their numbers. What a stream holds and what the JSON
 * form holds are the same, but for log-probabilities, which are 32-bit floats here.
 */
import {
  Bool,
  type Data,
  type DataType,
  Field,
  Float32,
  Float64,
  Int32,
  List,
  makeData,
  RecordBatch,
  Schema,
  Struct,
  Table,
  tableToIPC,
  Utf8,
} from "apache-arrow";
import { errorMessage, isObject } from "../../core/index.ts";
import type { ScoredGroup } from "../contract.ts";
import { type ArrowColumn, type ArrowStream, isNull, readArrowStream } from "./arrow-stream.ts";
import { parseExactly } from "./exact-json.ts";
import { StreamError } from "./flatbuffer.ts";
import { PASSED_ON, withPassedOn } from "./group.ts";
import { JsonCost } from "./json-cost.ts";
import { InvalidBody } from "./problem-detail.ts";
import { listStarts, objectSpans } from "./raw-json.ts";

export const ARROW_TYPE = "application/vnd.apache.arrow.stream";

const UNTRAINED = -100;

/** Every IPC stream begins so; a JSON text never does. */
export function isArrow(bytes: Uint8Array): boolean {
  return bytes[0] === 0xff && bytes[1] === 0xff && bytes[2] === 0xff && bytes[3] === 0xff;
}

/** @param metadata More entries of the schema's metadata. */
export function encodeArrow(
  groups: readonly ScoredGroup[],
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  const rows = groups.flatMap((group, number) =>
    group.tokens.map((tokens, index) => ({ group, number, tokens, index })),
  );
  const lengths = rows.map(({ tokens }) => tokens.length);
  const tokens = new Int32Array(lengths.reduce((sum, length) => sum + length, 0));
  const trained = new Uint8Array(Math.ceil(tokens.length / 8));
  const logprobs = new Float32Array(tokens.length);
  let at = 0;
  for (const row of rows) {
    const mask = row.group.masks[row.index]!;
    const ofEngine = row.group.inference_logprobs?.[row.index];
    for (let position = 0; position < row.tokens.length; position++, at++) {
      tokens[at] = row.tokens[position]!;
      if (mask[position] !== UNTRAINED) trained[at >> 3]! |= 1 << (at & 7);
      if (ofEngine) logprobs[at] = ofEngine[position]!;
    }
  }
  const messages = rows.map(({ group, index }) => group.messages?.[index]).map((list) => list && JSON.stringify(list));
  const hasLogprobs = rows.map(({ group }) => group.inference_logprobs != null);
  const children = [
    makeData({ type: new Int32(), data: Int32Array.from(rows, ({ number }) => number) }),
    listData(new Int32(), lengths, makeData({ type: new Int32(), data: tokens })),
    listData(new Bool(), lengths, makeData({ type: new Bool(), length: tokens.length, data: trained })),
    hasLogprobs.includes(true)
      ? listData(new Float32(), lengths, makeData({ type: new Float32(), data: logprobs }), hasLogprobs)
      : listData(
          new Float32(),
          lengths.map(() => 0),
          makeData({ type: new Float32(), data: new Float32Array() }),
          hasLogprobs,
        ),
    makeData({ type: new Float64(), data: Float64Array.from(rows, ({ group, index }) => group.scores[index]!) }),
    textData(messages),
  ];
  const names = ["group", "tokens", "trained", "inference_logprobs", "score", "messages"];
  const fields = children.map((child, place) => new Field(names[place]!, child.type, place === 3 || place === 5));
  const schema = new Schema(
    fields,
    new Map([["groups", JSON.stringify(groups.map(groupFields))], ...Object.entries(metadata)]),
  );
  const struct = makeData({ type: new Struct(fields), length: rows.length, nullCount: 0, children });
  return tableToIPC(new Table(schema, [new RecordBatch(schema, struct)]), "stream");
}

/** The groups as JSON would have them, unchecked. Throws `InvalidBody` where the stream is not of this form. */
export function decodeArrow(bytes: Uint8Array): Record<string, unknown>[] {
  try {
    return decode(readArrowStream(bytes));
  } catch (error) {
    if (error instanceof StreamError)
      throw refused("arrow_invalid", [], `The Arrow stream cannot be read: ${error.message}`);
    throw error;
  }
}

function decode({ metadata, batches }: ArrowStream): Record<string, unknown>[] {
  const rowCount = batches.reduce((sum, batch) => sum + batch.rows, 0);
  if (rowCount > MOST_ROWS) throw refused("too_long", [], `${rowCount} rows; a stream has at most ${MOST_ROWS}`);
  const cost = new JsonCost({ exact: true });
  const groups = new Map<number, Sequences>();
  for (const { rows, columns } of batches) {
    const numbers = column(columns, "group", "int32");
    const scores = column(columns, "score", "float64");
    const tokens = lists(columns, "tokens", "int32");
    const trained = lists(columns, "trained", "bool");
    const logprobs =
      columns.get("inference_logprobs")?.kind === "null" ? null : lists(columns, "inference_logprobs", "float32", true);
    const messages = columns.get("messages")?.kind === "null" ? null : column(columns, "messages", "utf8", true);
    for (let row = 0; row < rows; row++) {
      const number = numbers!.values[row]!;
      const group = groups.get(number) ?? { tokens: [], masks: [], scores: [], logprobs: [], messages: [] };
      groups.set(number, group);
      const ids = plainList(slice(tokens!, row, "tokens")!);
      group.tokens.push(ids);
      group.masks.push(masksOf(trained!, row, ids));
      group.scores.push(scores!.values[row]!);
      const own = logprobs && slice(logprobs, row, "inference_logprobs");
      group.logprobs.push(own && plainList(own));
      group.messages.push(messages && messagesOf(messages, row, cost));
    }
  }
  const order = [...groups.keys()].sort((a, b) => a - b);
  const described = describedGroups(metadata, order.length, cost);
  return order.map((number, place) => {
    const { tokens, masks, scores, logprobs, messages } = groups.get(number)!;
    const rest: Partial<Record<string, unknown>> = described(number, place);
    return {
      ...rest,
      tokens,
      masks: rest.masks ?? masks,
      scores,
      inference_logprobs: allOrNone(logprobs, "inference_logprobs"),
      messages: rest.messages ?? allOrNone(messages, "messages"),
    };
  });
}

/** Sequences of one stream. A row of nothing costs its sender nothing, and the reader some 300 bytes. */
const MOST_ROWS = 1_000_000;

interface Sequences {
  tokens: number[][];
  masks: number[][];
  scores: number[];
  logprobs: (number[] | null)[];
  messages: unknown[];
}

/** Fields of the group as a whole; masks only where they are more than trained or not. */
function groupFields(group: ScoredGroup): Record<string, unknown> {
  const { tokens, masks, scores: _, inference_logprobs: __, messages, ...rest } = group;
  const plainMasks = masks.every((row, index) =>
    row.every((mask, position) => mask === UNTRAINED || mask === tokens[index]![position]),
  );
  // Rows of the table cannot say an empty list of messages, or one of another length than the sequences.
  const plainMessages = !messages || messages.length === tokens.length;
  const kept = Object.entries(rest).filter(([, value]) => value != null);
  return { ...Object.fromEntries(kept), ...(!plainMasks && { masks }), ...(!plainMessages && { messages }) };
}

/**
 * Metadata: `groups` (a list with an entry for each group in the order of their numbers, or an object by number), `group`
 * (of each), or the fields themselves.
 */
function describedGroups(
  metadata: ReadonlyMap<string, string>,
  count: number,
  cost: JsonCost,
): (number: number, place: number) => object {
  const read = (name: string): unknown => {
    const text = metadata.get(name);
    if (text === undefined) return undefined;
    const bytes = Buffer.from(text);
    cost.add(bytes);
    try {
      if (isPassedOn(name)) return parseExactly(text);
      const read: unknown = JSON.parse(text);
      return name === "groups" || name === "group" ? withExactFields(read, bytes) : read;
    } catch (error) {
      throw refused("json_invalid", ["metadata", name], errorMessage(error));
    }
  };
  const groups = read("groups");
  const single = read("group");
  const own = GROUP_FIELDS.filter((name) => metadata.has(name)).map((name) => [name, read(name)] as const);
  // What would be dropped without a word, or given to another group, is refused.
  const entry = (name: string, found: unknown): object => {
    if (found != null && !isObject(found))
      throw refused("dict_type", ["metadata", name], "A group's entry is an object");
    return found ?? {};
  };
  if (Array.isArray(groups) && groups.length !== count)
    throw refused(
      "value_error",
      ["metadata", "groups"],
      `${groups.length} entries for the ${count} groups of the rows`,
    );
  const byNumber = Array.isArray(groups) ? {} : entry("groups", groups);
  const ofEach = entry("group", single);
  return (number, place) => {
    const ofGroup = Array.isArray(groups) ? groups[place] : (byNumber as Record<number, unknown>)[number];
    return { ...Object.fromEntries(own), ...ofEach, ...entry("groups", ofGroup) };
  };
}

const isPassedOn = (name: string) => PASSED_ON.some((field) => field === name);

/** What was read of `groups` or `group`, with the fields that are passed on as they came. */
function withExactFields(read: unknown, text: Buffer): unknown {
  if (Array.isArray(read)) {
    const starts = listStarts(text);
    return read.map((entry, place) => (isObject(entry) ? withPassedOn(entry, text, starts[place]!) : entry));
  }
  if (!isObject(read)) return read;
  const spans = objectSpans(text);
  const entries = Object.entries(read).map(([name, entry]) => {
    const isNumbered = /^-?\d+$/.test(name) && isObject(entry);
    return [name, isNumbered ? withPassedOn(entry, text, spans.get(name)![0]) : entry] as const;
  });
  return withPassedOn(Object.fromEntries(entries), text, 0);
}

const GROUP_FIELDS = [
  "advantages",
  "ref_logprobs",
  "generation_params",
  "overrides",
  "group_overrides",
  "images",
  "env_id",
  "distill_token_ids",
  "distill_logprobs",
  "weight_versions",
  "rollout_ids",
  "token_source",
  "item_id",
  "group_id",
];

function refused(type: string, loc: (string | number)[], msg: string): InvalidBody {
  return new InvalidBody([{ type, loc: ["body", ...loc], msg }]);
}

type Columns = ReadonlyMap<string, ArrowColumn>;
type Kind = Exclude<ArrowColumn["kind"], "null">;
type OfKind<K extends Kind> = Extract<ArrowColumn, { kind: K }>;

/** null where the column is missing and may be. */
function column<K extends Kind>(columns: Columns, name: string, kind: K, nullable = false): OfKind<K> | null {
  const found = columns.get(name);
  if (!found) {
    if (nullable) return null;
    throw refused("missing", [name], "The table needs this column");
  }
  if (found.kind !== kind) throw refused("type_error", [name], `The column should be ${kind}, not ${found.kind}`);
  if (!nullable && "valid" in found && found.valid !== null)
    throw refused("value_error", [name], "Null is not allowed here");
  return found as OfKind<K>;
}

interface Lists<Values> {
  list: OfKind<"list">;
  values: Values;
  length: number;
}

type ItemValues<K extends "int32" | "bool" | "float32"> = OfKind<K>["values"];

function lists<K extends "int32" | "bool" | "float32">(
  columns: Columns,
  name: string,
  kind: K,
  nullable = false,
): Lists<ItemValues<K>> | null {
  const list = column(columns, name, "list", nullable);
  if (!list) return null;
  const { item } = list;
  if (item.kind !== kind)
    throw refused("type_error", [name], `The column should be a list of ${kind}, not ${item.kind}`);
  if (item.valid !== null) throw refused("value_error", [name], "Null is not allowed inside the lists");
  return { list, values: item.values as ItemValues<K>, length: item.length };
}

/** Start and end of a row, or null for a null row. */
function rangeOf({ list, length }: Lists<unknown>, row: number, name: string): readonly [number, number] | null {
  if (isNull(list, row)) return null;
  const start = Number(list.offsets[row]!);
  const end = Number(list.offsets[row + 1]!);
  if (!(start >= 0 && start <= end && end <= length))
    throw refused("value_error", [name, row], "The row's offsets are out of range");
  return [start, end];
}

function slice<Values extends Int32Array | Float32Array>(from: Lists<Values>, row: number, name: string) {
  const range = rangeOf(from, row, name);
  return range && from.values.subarray(range[0], range[1]);
}

function masksOf(from: Lists<Uint8Array>, row: number, tokens: readonly number[]): number[] {
  const [start, end] = rangeOf(from, row, "trained")!;
  if (end - start !== tokens.length)
    throw refused("value_error", ["trained", row], `${end - start} values for ${tokens.length} tokens`);
  const bits = from.values;
  const masks: number[] = new Array(tokens.length);
  for (let position = 0, at = start; position < tokens.length; position++, at++)
    masks[position] = ((bits[at >> 3]! >> (at & 7)) & 1) === 1 ? tokens[position]! : UNTRAINED;
  return masks;
}

/** Much faster than Array.from. */
function plainList(values: Int32Array | Float32Array): number[] {
  const list: number[] = new Array(values.length);
  for (let at = 0; at < values.length; at++) list[at] = values[at]!;
  return list;
}

function messagesOf(from: OfKind<"utf8">, row: number, cost: JsonCost): unknown {
  if (isNull(from, row)) return null;
  const start = Number(from.offsets[row]!);
  const end = Number(from.offsets[row + 1]!);
  if (!(start >= 0 && start <= end && end <= from.values.byteLength))
    throw refused("value_error", ["messages", row], "The row's offsets are out of range");
  const bytes = from.values.subarray(start, end);
  cost.add(bytes);
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
  try {
    return parseExactly(text);
  } catch (error) {
    throw refused("json_invalid", ["messages", row], errorMessage(error));
  }
}

function allOrNone<T>(rows: (T | null)[], name: string): T[] | null {
  if (rows.every((row) => row === null)) return null;
  const missing = rows.indexOf(null);
  if (missing >= 0)
    throw refused("value_error", [name, missing], "Null for one sequence of a group and not for others");
  return rows as T[];
}

function listData<Item extends DataType>(
  item: Item,
  lengths: readonly number[],
  child: Data<Item>,
  valid?: readonly boolean[],
) {
  const valueOffsets = new Int32Array(lengths.length + 1);
  lengths.forEach((length, row) => {
    valueOffsets[row + 1] = valueOffsets[row]! + length;
  });
  const type = new List(new Field("item", item, false));
  return makeData({ type, length: lengths.length, ...nulls(valid ?? lengths.map(() => true)), valueOffsets, child });
}

function textData(texts: readonly (string | null | undefined)[]) {
  const parts = texts.map((text) => Buffer.from(text ?? "", "utf8"));
  const valueOffsets = new Int32Array(parts.length + 1);
  parts.forEach((part, row) => {
    valueOffsets[row + 1] = valueOffsets[row]! + part.length;
  });
  const data = new Uint8Array(Buffer.concat(parts));
  return makeData({
    type: new Utf8(),
    length: parts.length,
    ...nulls(texts.map((text) => text != null)),
    valueOffsets,
    data,
  });
}

function nulls(valid: readonly boolean[]): { nullCount: number; nullBitmap?: Uint8Array } {
  const nullCount = valid.filter((value) => !value).length;
  if (nullCount === 0) return { nullCount };
  const nullBitmap = new Uint8Array(Math.ceil(valid.length / 64) * 8);
  valid.forEach((value, row) => {
    if (value) nullBitmap[row >> 3]! |= 1 << (row & 7);
  });
  return { nullCount, nullBitmap };
}
