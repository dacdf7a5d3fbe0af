/**
 * A scored group as it comes over the wire: read leniently, checked for what would break a trainer, and written with
 * every key present and floats as floats (Python reads `1` as an integer, and tensors of mixed kinds fail).
 */
import type { ScoredGroup } from "../contract.ts";
import { parseExactly } from "./exact-json.ts";
import { InvalidBody, type ProblemDetail } from "./problem-detail.ts";
import { areFloats, areIntegers, joined, objectSpans, type Span } from "./raw-json.ts";
import {
  anything,
  dictionary,
  excerpt,
  finite,
  float,
  integer,
  listOf,
  numbersOf,
  objectOf,
  optional,
  type Reader,
  required,
  text,
} from "./readers.ts";

/** The largest token id. */
export const MAX_TOKEN = 2 ** 31 - 1;

const tokens = numbersOf(integer({ least: 0, most: MAX_TOKEN }), (values, from) => {
  let at = from;
  // `| 0` keeps what is an integer of 32 bits as it is.
  for (; at < values.length; at++) {
    const value = values[at];
    if (typeof value !== "number" || (value | 0) !== value || value < 0) break;
  }
  return at;
});
const masks = numbersOf(integer({ most: MAX_TOKEN }), (values, from) => {
  let at = from;
  for (; at < values.length; at++) {
    const value = values[at];
    if (typeof value !== "number" || (value | 0) !== value) break;
  }
  return at;
});
const floats = numbersOf(float, (values, from) => {
  let at = from;
  for (; at < values.length; at++) {
    const value = values[at];
    // NaN and the infinities are not zero times themselves.
    if (typeof value !== "number" || value * 0 !== 0) break;
  }
  return at;
});

const message: Reader<Record<string, unknown>> = (value, loc, problems) => {
  const read = dictionary(value, loc, problems);
  for (const field of ["role", "content"]) {
    if (read && !Object.hasOwn(read, field))
      problems.push({ type: "missing", loc: [...loc, field], msg: "Field required", input: excerpt(value) });
  }
  return read;
};

const versions = listOf(integer());

/** Fields that are not lists of numbers. */
const freeFields = {
  messages: optional(listOf(listOf(finite(message)))),
  generation_params: optional(finite(dictionary)),
  overrides: optional(listOf(finite(dictionary))),
  group_overrides: optional(finite(dictionary)),
  images: optional(finite(anything)),
  env_id: optional(integer({ least: 0 })),
  weight_versions: optional(versions),
  rollout_ids: optional(listOf(text)),
  token_source: optional(text),
  item_id: optional(text),
  group_id: optional(text),
};

export type FreeField = keyof typeof freeFields;

const fields = objectOf({
  tokens: required(listOf(tokens)),
  masks: required(listOf(masks)),
  scores: required(floats),
  advantages: optional(listOf(floats)),
  ref_logprobs: optional(listOf(floats)),
  inference_logprobs: optional(listOf(floats)),
  distill_token_ids: optional(listOf(listOf(tokens))),
  distill_logprobs: optional(listOf(listOf(floats))),
  ...freeFields,
});

const free = objectOf(freeFields);

/** Fields whose numbers are passed on as they came. */
export const PASSED_ON = ["messages", "generation_params", "overrides", "group_overrides", "images"] as const;

/** Fields that only ours knows: they are written where they are set, so that v1 answers keep their shape. */
export const OURS = ["weight_versions", "rollout_ids", "token_source", "item_id", "group_id"] as const;

/** Throws `InvalidBody`. `place` is where the group stands in the body. */
export function readGroup(value: unknown, place: (string | number)[] = ["body"]): ScoredGroup {
  const problems: ProblemDetail[] = [];
  const group = fields(value, place, problems);
  if (group && problems.length === 0) checkShapes(group as ScoredGroup, place, problems);
  if (!group || problems.length > 0) throw new InvalidBody(problems);
  return group as ScoredGroup;
}

/** Only what no trainer could use is refused; ragged advantages, empty message lists and masks of ones are legal. */
function checkShapes(group: ScoredGroup, place: (string | number)[], problems: ProblemDetail[]): void {
  const count = group.tokens.length;
  const refuse = (field: string, msg: string, index?: number) =>
    problems.push({ type: "value_error", loc: [...place, field, ...(index === undefined ? [] : [index])], msg });
  if (count === 0) refuse("tokens", "A group needs at least one sequence");
  for (const field of ["masks", "scores"] as const) {
    if (group[field].length !== count) refuse(field, `${group[field].length} rows for ${count} sequences of tokens`);
  }
  const logprobs = group.inference_logprobs;
  if (logprobs && logprobs.length !== count)
    refuse("inference_logprobs", `${logprobs.length} rows for ${count} sequences of tokens`);
  for (const field of ["masks", "inference_logprobs"] as const) {
    group[field]?.forEach((row, index) => {
      const length = group.tokens[index]?.length;
      if (length !== undefined && row.length !== length)
        refuse(field, `${row.length} values for ${length} tokens`, index);
    });
  }
  checkOurs(group, count, refuse);
}

function checkOurs(group: OurFields, count: number, refuse: (field: string, msg: string) => void): void {
  const { rollout_ids, weight_versions: versions, token_source } = group;
  if (rollout_ids && rollout_ids.length !== count)
    refuse("rollout_ids", `${rollout_ids.length} rows for ${count} sequences of tokens`);
  if (versions && (versions.length !== 2 || versions[0]! > versions[1]!)) {
    refuse("weight_versions", "must be the lowest and the highest version, in this order");
  }
  if (token_source != null && token_source !== "sampled" && token_source !== "rendered") {
    refuse("token_source", 'must be "sampled" or "rendered"');
  }
}

interface OurFields {
  rollout_ids?: readonly string[] | null;
  weight_versions?: readonly number[] | null;
  token_source?: string | null;
}

/** Checks the fields that are not lists of numbers, and gives those that the server looks at; null where `readGroup` would refuse them. */
export function readFree(sent: Readonly<Record<string, unknown>>, count: number) {
  const problems: ProblemDetail[] = [];
  const read = free(sent, [], problems);
  if (!read || problems.length > 0) return null;
  let fits = true;
  checkOurs(read, count, () => {
    fits = false;
  });
  const { env_id, rollout_ids, weight_versions } = read;
  return fits ? { env_id, rollout_ids, weight_versions: weight_versions as [number, number] | null } : null;
}

/** The group of a text that `writeGroup` or `groupPayload` made. */
export function storedGroup(text: Buffer): ScoredGroup {
  return withPassedOn(JSON.parse(text.toString("utf8")), text, 0);
}

/** What JSON.parse made of the object that begins there, with the fields that are passed on as they came. */
export function withPassedOn<T extends object>(read: T, text: Buffer, start: number): T {
  const spans = objectSpans(text, start, NUMERIC);
  const exact = PASSED_ON.flatMap((field) => {
    const span = spans.get(field);
    return span ? [[field, parseExactly(text.toString("utf8", ...span))] as const] : [];
  });
  return { ...read, ...Object.fromEntries(exact) };
}

type GroupField = keyof ScoredGroup;

const json = (value: unknown) => JSON.stringify(value ?? null);

/** How the fields of v1 are written, in the order in which they are. */
const WRITERS: { [Field in Exclude<GroupField, (typeof OURS)[number]>]-?: (group: ScoredGroup) => string } = {
  tokens: (group) => json(group.tokens),
  masks: (group) => json(group.masks),
  scores: (group) => floatList(group.scores),
  advantages: (group) => floatLists(group.advantages),
  ref_logprobs: (group) => floatLists(group.ref_logprobs),
  messages: (group) => json(group.messages),
  generation_params: (group) => json(group.generation_params),
  inference_logprobs: (group) => floatLists(group.inference_logprobs),
  overrides: (group) => json(group.overrides),
  group_overrides: (group) => json(group.group_overrides),
  images: (group) => json(group.images),
  env_id: (group) => json(group.env_id),
  distill_token_ids: (group) => json(group.distill_token_ids),
  distill_logprobs: ({ distill_logprobs }) =>
    distill_logprobs ? `[${distill_logprobs.map(floatLists).join(",")}]` : "null",
};

const WRITTEN = Object.entries(WRITERS) as [GroupField, (group: ScoredGroup) => string][];

/** The fields of v1 in the order in which they are written. */
export const V1_FIELDS: readonly GroupField[] = WRITTEN.map(([field]) => field);

/** The group as JSON text, every key of v1 present. */
export function writeGroup(group: ScoredGroup): string {
  const parts = WRITTEN.map(([field, write]) => `"${field}":${write(group)}`);
  for (const field of OURS) if (group[field] != null) parts.push(`"${field}":${json(group[field])}`);
  return `{${parts.join(",")}}`;
}

/** Fields that are lists of numbers, where a row that was read leniently is another list than the one that was sent. */
const INTEGERS: ReadonlySet<string> = new Set(["tokens", "masks", "distill_token_ids"]);
const FLOATS: ReadonlySet<string> = new Set([
  "scores",
  "advantages",
  "ref_logprobs",
  "inference_logprobs",
  "distill_logprobs",
]);
const NUMERIC: ReadonlySet<string> = new Set([...INTEGERS, ...FLOATS]);

/**
 * The group as `writeGroup` has it: the text itself where it is that already, else made of the bytes that were sent wherever they already say the same: digits stay as
 * they came, and nothing is printed twice.
 * @param text The body, UTF-8.
 * @param start Where the group's object begins in it.
 * @param sent What JSON.parse made of the object.
 */
export function groupPayload(group: ScoredGroup, text: Buffer, start: number, sent: unknown): Buffer {
  const spans = objectSpans(text, start, NUMERIC);
  if (start === 0 && isCanonical(group, text, sent, spans)) return text;
  const parts: Uint8Array[] = [];
  let before = "{";
  for (const [field, write] of WRITTEN) {
    const span = spans.get(field);
    const value = (sent as Record<string, unknown>)[field];
    parts.push(Buffer.from(`${before}"${field}":`));
    before = ",";
    const asSent = span && value !== null && isAsSent(field, group[field], value, text, span);
    parts.push(asSent ? text.subarray(span[0], span[1]) : Buffer.from(write(group)));
  }
  for (const field of OURS) if (group[field] != null) parts.push(Buffer.from(`,"${field}":${json(group[field])}`));
  parts.push(CLOSE);
  return joined(parts);
}

/** True where the text is what `writeGroup` would have made of it, as our own clients send it. */
function isCanonical(group: ScoredGroup, text: Buffer, sent: unknown, spans: ReadonlyMap<string, Span>): boolean {
  if (text.byteLength !== text.buffer.byteLength) return false;
  const names = [...WRITTEN.map(([field]) => field), ...OURS.filter((field) => group[field] != null)];
  if (spans.size !== names.length) return false;
  let place = 0;
  for (const [name, span] of spans) {
    if (name !== names[place++]) return false;
    const value = (sent as Record<string, unknown>)[name];
    const field = name as GroupField;
    const same = field === "env_id" ? group.env_id === value : isAsSent(field, group[field], value, text, span);
    if (value !== null && !same) return false;
    if (field === "env_id" && value !== null && !areIntegers(text, span)) return false;
  }
  return true;
}

const CLOSE = Buffer.from("}");

function isAsSent(field: GroupField, read: unknown, sent: unknown, text: Buffer, span: Span): boolean {
  if (INTEGERS.has(field)) return sameRows(read, sent) && areIntegers(text, span);
  if (FLOATS.has(field)) return sameRows(read, sent) && areFloats(text, span);
  return field !== "env_id";
}

/** Readers give back the very list that they were given where nothing in it had to be converted. */
function sameRows(read: unknown, sent: unknown): boolean {
  if (read === sent) return true;
  if (!Array.isArray(read) || !Array.isArray(sent)) return false;
  return read.every((row, index) => row === sent[index] || (Array.isArray(row) && sameRows(row, sent[index])));
}

function floatLists(rows: readonly (readonly number[])[] | null | undefined): string {
  return rows ? `[${rows.map(floatList).join(",")}]` : "null";
}

/** A finite number that Python reads as a float. */
export function floatText(value: number): string {
  return Number.isInteger(value) && Math.abs(value) < 1e21 ? `${Object.is(value, -0) ? "-0" : value}.0` : String(value);
}

function floatList(row: readonly number[]): string {
  let out = "[";
  for (let index = 0; index < row.length; index++) {
    if (index > 0) out += ",";
    out += floatText(row[index]!);
  }
  return `${out}]`;
}
