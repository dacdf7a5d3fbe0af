/** White space as Python's `str` methods and `re` know it: with U+001C–001F and U+0085, without U+FEFF. */

const SPACE = "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";

/** The class's body, for use inside brackets. */
export const SPACE_CLASS = SPACE;
const LEADING = new RegExp(`^[${SPACE}]+`);
const ONLY = new RegExp(`^[${SPACE}]+$`);
const ONE = new RegExp(`[${SPACE}]`);

export const isSpace = (text: string): boolean => ONLY.test(text);

export const trimStart = (text: string): string => text.replace(LEADING, "");

/** Goes from the end, since a pattern anchored there would try every run of spaces in the text. */
export function trimEnd(text: string): string {
  let end = text.length;
  while (end > 0 && ONE.test(text[end - 1]!)) end--;
  return text.slice(0, end);
}

export const trim = (text: string): string => trimStart(trimEnd(text));

/** `str.split()` without a separator, at most `limit` cuts from the left; -1 is no limit. */
export function splitWords(text: string, limit = -1): string[] {
  const words: string[] = [];
  let rest = trimStart(text);
  while (rest !== "") {
    if (words.length === limit) {
      words.push(rest);
      break;
    }
    const at = rest.search(ONE);
    if (at < 0) {
      words.push(rest);
      break;
    }
    words.push(rest.slice(0, at));
    rest = trimStart(rest.slice(at));
  }
  return words;
}
