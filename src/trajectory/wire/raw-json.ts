/**
 * Where the values of a JSON text stand, so that they can be passed on as they were sent: re-writing them would lose
 * digits of large integers and cost as much as reading them. The text must have been accepted by JSON.parse before.
 */

/** [start, end) in bytes. */
export type Span = readonly [number, number];

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const COMMA = 0x2c;
const COLON = 0x3a;

/** Spans of an object's values by key; of a key that stands twice the last one, as JSON.parse has it. */
export function objectSpans(text: Buffer, start = 0, numeric: ReadonlySet<string> = new Set()): Map<string, Span> {
  const spans = new Map<string, Span>();
  let at = skipSpace(text, skipSpace(text, start) + 1);
  while (text[at] !== CLOSE_OBJECT) {
    if (text[at] === COMMA) at = skipSpace(text, at + 1);
    const keyEnd = skipString(text, at);
    const key = JSON.parse(text.toString("utf8", at, keyEnd)) as string;
    at = skipSpace(text, keyEnd);
    if (text[at] !== COLON) throw new SyntaxError(`No value after the key at ${keyEnd}.`);
    at = skipSpace(text, at + 1);
    const end = numeric.has(key) ? skipNumbers(text, at) : skipValue(text, at);
    spans.set(key, [at, end]);
    at = skipSpace(text, end);
  }
  return spans;
}

/** Where the elements of a list begin. */
export function listStarts(text: Buffer): number[] {
  const starts: number[] = [];
  let at = skipSpace(text, skipSpace(text, 0) + 1);
  while (text[at] !== CLOSE_LIST) {
    if (text[at] === COMMA) at = skipSpace(text, at + 1);
    starts.push(at);
    at = skipSpace(text, skipValue(text, at));
  }
  return starts;
}

/** A number without point and exponent. */
const INTEGER = /[[, \n\r\t]-?\d+[,\] \n\r\t]/;

/** True where every number of the span, a list, would be read as a float by a reader that tells `1` from `1.0`. */
export function areFloats(text: Buffer, [start, end]: Span): boolean {
  return !INTEGER.test(text.toString("latin1", start, end));
}

/** True where no number of the span has a point or an exponent. */
export function areIntegers(text: Buffer, [start, end]: Span): boolean {
  const part = text.subarray(start, end);
  return !part.includes(0x2e) && !part.includes(0x65) && !part.includes(0x45);
}

export function skipSpace(text: Buffer, start: number): number {
  let at = start;
  while (text[at] === 0x20 || text[at] === 0x0a || text[at] === 0x0d || text[at] === 0x09) at++;
  return at;
}

function skipString(text: Buffer, start: number): number {
  let at = start + 1;
  for (;;) {
    const quote = text.indexOf(QUOTE, at);
    if (quote < 0) throw new SyntaxError(`The string at ${start} does not end.`);
    let slashes = 0;
    while (text[quote - 1 - slashes] === BACKSLASH) slashes++;
    if (slashes % 2 === 0) return quote + 1;
    at = quote + 1;
  }
}

export function skipValue(text: Buffer, start: number): number {
  let depth = 0;
  let at = start;
  for (; at < text.length; at++) {
    const byte = text[at];
    if (byte === QUOTE) {
      at = skipString(text, at) - 1;
      if (depth === 0) return at + 1;
    } else if (byte === OPEN_LIST || byte === OPEN_OBJECT) depth++;
    else if (byte === CLOSE_LIST || byte === CLOSE_OBJECT) {
      if (depth === 0) return at;
      if (--depth === 0) return at + 1;
    } else if (depth === 0 && (byte === COMMA || byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09))
      return at;
  }
  return at;
}

/** Lists of numbers hold no bracket but their own, so whole rows are passed over at once. */
function skipNumbers(text: Buffer, start: number): number {
  if (text[start] !== OPEN_LIST) return skipValue(text, start);
  let depth = 1;
  let at = start + 1;
  while (depth > 0) {
    at = skipSpace(text, at);
    const byte = text[at];
    if (byte === OPEN_LIST) {
      depth++;
      at++;
    } else if (byte === CLOSE_LIST) {
      depth--;
      at++;
    } else if (byte === COMMA) at++;
    else {
      at = text.indexOf(CLOSE_LIST, at);
      if (at < 0) throw new SyntaxError(`The list at ${start} does not end.`);
    }
  }
  return at;
}

/** The parts in one buffer that owns its memory, so that it can be handed to another thread without a copy. */
export function joined(parts: readonly Uint8Array[]): Buffer {
  const whole = Buffer.allocUnsafeSlow(parts.reduce((sum, part) => sum + part.byteLength, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.byteLength;
  }
  return whole;
}
