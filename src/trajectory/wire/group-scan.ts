/**
 * The quick way of a submitted group from its JSON text to what is stored. It takes only groups that need no reading:
 * numbers written as numbers, shapes that fit, every field once; for all others it gives null, and `readGroup` says what
 * they are or what is wrong with them. What it stores says the same as what `groupPayload` would.
 */
import { isUtf8 } from "node:buffer";
import { MAX_TOKEN, OURS, readFree, V1_FIELDS } from "./group.ts";
import { costWithin, type JsonCost } from "./json-cost.ts";
import { type NumberKind, type NumberList, scanNumbers } from "./number-lists.ts";
import { InvalidBody } from "./problem-detail.ts";
import { joined, type Span, skipSpace, skipValue } from "./raw-json.ts";

export interface ScannedGroup {
  /** Sequences. */
  count: number;
  env_id: number | null;
  weight_versions: [number, number] | null;
  rollout_ids: string[] | null;
  /** As it is stored. */
  payload: Buffer;
  /** Where the text goes on behind the group. */
  end: number;
}

const tokenRange = [0, MAX_TOKEN] as const;
const NUMERIC: Readonly<Record<string, NumberKind>> = {
  tokens: { range: tokenRange, depth: 2 },
  masks: { range: [-MAX_TOKEN, MAX_TOKEN], depth: 2 },
  scores: { range: null, depth: 1 },
  advantages: { range: null, depth: 2 },
  ref_logprobs: { range: null, depth: 2 },
  inference_logprobs: { range: null, depth: 2 },
  distill_token_ids: { range: tokenRange, depth: 3 },
  distill_logprobs: { range: null, depth: 3 },
  weight_versions: { range: [-MAX_TOKEN, MAX_TOKEN], depth: 1 },
};

const OPEN = 0x7b;
const CLOSE = 0x7d;
const COLON = 0x3a;
const COMMA = 0x2c;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const NULL = Buffer.from("null");

interface Found {
  span: Span;
  numbers: NumberList | null;
}

/** null where the group needs to be read, or is wrong. Throws `InvalidBody` where reading it would take too much memory. */
export function scanGroup(text: Buffer, start: number, cost = costWithin(text)): ScannedGroup | null {
  const found = new Map<string, Found>();
  const free: Record<string, unknown> = {};
  const begin = skipSpace(text, start);
  if (text[begin] !== OPEN) return null;
  let at = skipSpace(text, begin + 1);
  while (text[at] !== CLOSE) {
    const name = keyAt(text, at);
    if (name === null || found.has(name)) return null;
    at = skipSpace(text, at + name.length + 2);
    if (text[at] !== COLON) return null;
    at = skipSpace(text, at + 1);
    const value = valueAt(text, at, name, free, cost);
    if (!value) return null;
    found.set(name, value);
    at = skipSpace(text, value.span[1]);
    if (text[at] === COMMA) {
      at = skipSpace(text, at + 1);
      if (text[at] !== QUOTE) return null;
    } else if (text[at] !== CLOSE) return null;
  }
  const count = found.get("tokens")?.numbers?.count ?? 0;
  if (count === 0 || !fits(found, count)) return null;
  const read = readFree(free, count);
  if (!read) return null;
  return { count, ...read, payload: payloadOf(text, begin, at + 1, found), end: at + 1 };
}

/** A key without escapes. */
function keyAt(text: Buffer, at: number): string | null {
  if (text[at] !== QUOTE) return null;
  const end = text.indexOf(QUOTE, at + 1);
  if (end < 0 || end - at > 64) return null;
  const key = text.toString("latin1", at + 1, end);
  for (let index = at + 1; index < end; index++) if (text[index] === BACKSLASH || text[index]! >= 0x80) return null;
  return key;
}

function valueAt(
  text: Buffer,
  at: number,
  name: string,
  free: Record<string, unknown>,
  cost: JsonCost | null,
): Found | null {
  const kind = Object.hasOwn(NUMERIC, name) ? NUMERIC[name] : undefined;
  const numbers = kind && text[at] !== NULL[0] ? scanNumbers(text, at, kind) : null;
  if (kind && !numbers && text[at] !== NULL[0]) return null;
  if (numbers && name !== "weight_versions") return { span: [at, numbers.end], numbers };
  const end = numbers ? numbers.end : endOfValue(text, at);
  const bytes = text.subarray(at, end);
  // Whoever reads the whole text says what is wrong with it.
  if (end < 0 || !isUtf8(bytes)) return null;
  cost?.add(bytes);
  const value = parsed(bytes.toString("utf8"));
  if (value === undefined) return null;
  if (name === "env_id" && value !== null && !/^\d+$/.test(bytes.toString("latin1"))) return null;
  free[name] = value;
  return { span: [at, end], numbers: null };
}

/** −1 where it has none. */
function endOfValue(text: Buffer, at: number): number {
  try {
    return skipValue(text, at);
  } catch (error) {
    if (error instanceof SyntaxError) return -1;
    throw error;
  }
}

/** undefined where the text is no JSON. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Counts and lengths as `readGroup` wants them. */
function fits(found: ReadonlyMap<string, Found>, count: number): boolean {
  const { lengths } = found.get("tokens")!.numbers!;
  const same = (rows: NumberList) =>
    rows.count === count && rows.lengths.every((length, row) => length === lengths[row]);
  const masks = found.get("masks")?.numbers;
  const scores = found.get("scores")?.numbers;
  const logprobs = found.get("inference_logprobs")?.numbers;
  return masks != null && same(masks) && scores != null && scores.count === count && (!logprobs || same(logprobs));
}

/** Every field of v1 in its order, then ours where they are set; floats with a point. */
function payloadOf(text: Buffer, begin: number, end: number, found: ReadonlyMap<string, Found>): Buffer {
  const ours = OURS.filter((field) => {
    const span = found.get(field)?.span;
    return span && !isNull(text, span);
  });
  if (isCanonical(text, begin, end, found, ours.length)) return text;
  const parts: Buffer[] = [];
  let before = "{";
  for (const field of V1_FIELDS) {
    parts.push(Buffer.from(`${before}"${field}":`, "latin1"));
    before = ",";
    const value = found.get(field);
    if (!value) parts.push(NULL);
    else parts.push(value.numbers ? pointed(text, value.span, value.numbers.bare) : text.subarray(...value.span));
  }
  for (const field of ours) parts.push(Buffer.from(`,"${field}":`, "latin1"), text.subarray(...found.get(field)!.span));
  parts.push(Buffer.from("}"));
  return joined(parts);
}

/** True where the text is its own payload, as our clients send it, and owns its memory. */
function isCanonical(
  text: Buffer,
  begin: number,
  end: number,
  found: ReadonlyMap<string, Found>,
  ours: number,
): boolean {
  if (begin !== 0 || end !== text.length || text.byteLength !== text.buffer.byteLength) return false;
  if (found.size !== V1_FIELDS.length + ours) return false;
  let place = 0;
  for (const [name, { numbers }] of found) {
    if (place < V1_FIELDS.length && name !== V1_FIELDS[place]) return false;
    if (numbers && numbers.bare.length > 0) return false;
    place++;
  }
  return OURS.filter((field) => found.has(field)).length === ours;
}

/** The span with `.0` behind numbers that lack a point. */
function pointed(text: Buffer, [start, end]: Span, bare: readonly number[]): Buffer {
  if (bare.length === 0) return text.subarray(start, end);
  const out = Buffer.allocUnsafe(end - start + 2 * bare.length);
  let to = 0;
  let from = start;
  for (const place of bare) {
    while (from < place) out[to++] = text[from++]!;
    out[to++] = 0x2e;
    out[to++] = 0x30;
  }
  while (from < end) out[to++] = text[from++]!;
  return out;
}

function isNull(text: Buffer, [start, end]: Span): boolean {
  return end - start === NULL.length && text[start] === NULL[0];
}

/** Groups of one body: each costs some work, however small it is. */
const MOST_GROUPS = 100_000;

/** Throws `InvalidBody`. */
export function requireFewGroups(count: number): void {
  if (count <= MOST_GROUPS) return;
  throw new InvalidBody([{ type: "too_long", loc: ["body"], msg: `A body has at most ${MOST_GROUPS} groups` }]);
}

/** The groups of a list; null where one of them needs to be read, or something is wrong. Throws `InvalidBody`. */
export function scanGroups(text: Buffer): ScannedGroup[] | null {
  const groups: ScannedGroup[] = [];
  const cost = costWithin(text);
  let at = skipSpace(text, skipSpace(text, 0) + 1);
  if (text[at] === 0x5d) return isOver(text, at + 1) ? groups : null;
  for (;;) {
    const group = scanGroup(text, at, cost);
    if (!group) return null;
    groups.push(group);
    requireFewGroups(groups.length);
    at = skipSpace(text, group.end);
    if (text[at] === 0x5d) return isOver(text, at + 1) ? groups : null;
    if (text[at] !== COMMA) return null;
    at = skipSpace(text, at + 1);
  }
}

/** True where nothing but spaces follows. */
export function isOver(text: Buffer, at: number): boolean {
  return skipSpace(text, at) === text.length;
}

/** True where the text is a list rather than an object. */
export function isList(text: Buffer): boolean {
  return text[skipSpace(text, 0)] === 0x5b;
}
