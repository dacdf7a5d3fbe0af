/**
 * Lists of numbers in a JSON text, checked where they stand: no number is made of them, so that a group of a megabyte
 * costs one look at each byte. What is not exactly as expected ends the scan; the caller then reads the text with
 * JSON.parse and finds out what is wrong.
 */

const COMMA = 0x2c;
const MINUS = 0x2d;
const PLUS = 0x2b;
const POINT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const OPEN = 0x5b;
const CLOSE = 0x5d;

/** More digits than these before the point could be too large for a double. */
const SAFE_DIGITS = 300;

/** More lists than these are not noted here: whoever reads them says whether they can be afforded. */
const MOST_LISTS = 8 * 1024 ** 2;

const isSpace = (byte: number | undefined) => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;

export interface NumberList {
  /** Behind the closing bracket. */
  end: number;
  /** How many numbers each list of the innermost level has, in order. */
  lengths: number[];
  /** Of the outermost level. */
  count: number;
  /** Floats only: places behind numbers that lack a point and an exponent. */
  bare: number[];
}

export interface NumberKind {
  /** Integers of this range; null: floats of any finite value. */
  range: readonly [least: number, most: number] | null;
  /** 1: a list of numbers; 2: a list of such lists; … */
  depth: number;
}

/** null where the text is not, from `start` on, a list of that kind. */
export function scanNumbers(text: Uint8Array, start: number, { range, depth }: NumberKind): NumberList | null {
  const lengths: number[] = [];
  const bare: number[] = [];
  const end = range ? scanLevel(text, start, depth, integers) : scanLevel(text, start, depth, floats);
  return end.at < 0 ? null : { end: end.at, lengths, count: end.count, bare };

  /** The items of one list; −1 where they are wrong. */
  function scanLevel(
    bytes: Uint8Array,
    from: number,
    level: number,
    numbers: (bytes: Uint8Array, from: number) => number,
  ): { at: number; count: number } {
    if (bytes[from] !== OPEN) return { at: -1, count: 0 };
    if (level === 1) {
      const at = numbers(bytes, from + 1);
      return { at, count: lengths.at(-1) ?? 0 };
    }
    let at = skipSpace(bytes, from + 1);
    if (bytes[at] === CLOSE) return { at: at + 1, count: 0 };
    for (let count = 1; ; count++) {
      at = scanLevel(bytes, at, level - 1, numbers).at;
      if (at < 0) return { at, count };
      at = skipSpace(bytes, at);
      if (bytes[at] === CLOSE) return { at: at + 1, count };
      if (bytes[at] !== COMMA) return { at: -1, count };
      at = skipSpace(bytes, at + 1);
    }
  }

  function integers(bytes: Uint8Array, from: number): number {
    const [least, most] = range!;
    let at = skipSpace(bytes, from);
    if (bytes[at] === CLOSE) return ended(at, 0);
    for (let count = 1; ; count++) {
      const negative = bytes[at] === MINUS;
      if (negative) at++;
      const first = at;
      let value = 0;
      let byte = bytes[at]!;
      while (byte >= ZERO && byte <= NINE) {
        value = value * 10 + (byte - ZERO);
        byte = bytes[++at]!;
      }
      const digits = at - first;
      if (digits === 0 || digits > 10 || (digits > 1 && bytes[first] === ZERO)) return -1;
      if (negative) {
        // −0 is not an integer to everybody.
        if (value === 0) return -1;
        value = -value;
      }
      if (value < least || value > most) return -1;
      if (byte !== COMMA && byte !== CLOSE) {
        at = skipSpace(bytes, at);
        byte = bytes[at]!;
      }
      if (byte === CLOSE) return ended(at, count);
      if (byte !== COMMA) return -1;
      at++;
      if (isSpace(bytes[at])) at = skipSpace(bytes, at);
    }
  }

  function floats(bytes: Uint8Array, from: number): number {
    let at = skipSpace(bytes, from);
    if (bytes[at] === CLOSE) return ended(at, 0);
    for (let count = 1; ; count++) {
      const begin = at;
      if (bytes[at] === MINUS) at++;
      const first = at;
      let byte = bytes[at]!;
      while (byte >= ZERO && byte <= NINE) byte = bytes[++at]!;
      const digits = at - first;
      if (digits === 0 || digits > SAFE_DIGITS || (digits > 1 && bytes[first] === ZERO)) return -1;
      let plain = true;
      if (byte === POINT) {
        plain = false;
        const fraction = at + 1;
        byte = bytes[++at]!;
        while (byte >= ZERO && byte <= NINE) byte = bytes[++at]!;
        if (at === fraction) return -1;
      }
      if (byte === 0x65 || byte === 0x45) {
        plain = false;
        byte = bytes[++at]!;
        const shrinks = byte === MINUS;
        if (byte === PLUS || byte === MINUS) byte = bytes[++at]!;
        const exponent = at;
        let power = 0;
        while (byte >= ZERO && byte <= NINE) {
          power = power * 10 + (byte - ZERO);
          byte = bytes[++at]!;
        }
        if (at === exponent) return -1;
        // Only close to the limit does the number itself need to be looked at.
        if (!shrinks && digits + power > SAFE_DIGITS && !Number.isFinite(numberAt(bytes, begin, at))) return -1;
      }
      if (plain) bare.push(at);
      if (byte !== COMMA && byte !== CLOSE) {
        at = skipSpace(bytes, at);
        byte = bytes[at]!;
      }
      if (byte === CLOSE) return ended(at, count);
      if (byte !== COMMA) return -1;
      at++;
      if (isSpace(bytes[at])) at = skipSpace(bytes, at);
    }
  }

  function ended(at: number, count: number): number {
    if (lengths.length >= MOST_LISTS) return -1;
    lengths.push(count);
    return at + 1;
  }
}

function skipSpace(text: Uint8Array, start: number): number {
  let at = start;
  while (isSpace(text[at])) at++;
  return at;
}

function numberAt(text: Uint8Array, start: number, end: number): number {
  return Number(String.fromCharCode(...text.subarray(start, end)));
}
