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

/** Beyond it a look at each number takes seconds. */
const MOST_TEXT = 64 * 1024 ** 2;

/** Like JSON.parse, but numbers that would be printed differently are objects that print as they came. */
export function parseExactly(text: string): unknown {
  if (text.length > MOST_TEXT || !hasOddNumber(text)) return JSON.parse(text);
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

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
/** `+`, `-`, `.`, `e` and `E` beside the digits. */
const isOfNumber = (code: number) =>
  (code >= 0x30 && code <= 0x39) || code === 0x2b || code === 0x2d || code === 0x2e || code === 0x45 || code === 0x65;

/** Whether some number outside of texts would be printed in another way than it stands there. Far quicker than a reviver. */
function hasOddNumber(text: string): boolean {
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      for (at++; at < text.length && text.charCodeAt(at) !== QUOTE; at++) if (text.charCodeAt(at) === BACKSLASH) at++;
    } else if (code === 0x2d || (code >= 0x30 && code <= 0x39)) {
      const start = at;
      while (isOfNumber(text.charCodeAt(at + 1))) at++;
      const number = text.slice(start, at + 1);
      if (String(Number(number)) !== number) return true;
    }
  }
  return false;
}
