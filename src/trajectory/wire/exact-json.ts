/**
 * JSON whose numbers are written again as they came. A seed of 64 bits is no double, and `1.0` is a float to Python where
 * `1` is an integer: what is only passed on must not be read and printed.
 */

declare global {
  interface JSON {
    /** An object that JSON.stringify writes as the text of one number, text, boolean or null. */
    rawJSON(text: string): object;
    isRawJSON(value: unknown): boolean;
    parse(text: string, reviver: (key: string, value: unknown, context: { source?: string }) => unknown): unknown;
  }
}

/** A number that may be printed in another way than it came: long, or with a point or an exponent. */
const ODD_NUMBER = /\d{16}|\d[.eE]|-0/;
/** Beyond it a look at each number takes seconds. */
const MOST_TEXT = 64 * 1024 ** 2;

/** Like JSON.parse, but numbers that would be printed differently are objects that print as they came. */
export function parseExactly(text: string): unknown {
  if (text.length > MOST_TEXT || !ODD_NUMBER.test(text)) return JSON.parse(text);
  try {
    return JSON.parse(text, (_key, value, { source }) =>
      typeof value === "number" && Number.isFinite(value) && source !== undefined && String(value) !== source
        ? JSON.rawJSON(source)
        : value,
    );
  } catch (error) {
    // Nested too deep for that; whoever checks it refuses it.
    if (error instanceof RangeError) return JSON.parse(text);
    throw error;
  }
}
