/**
 * Python's idea of white space, which differs from JavaScript's: U+001C to U+001F and U+0085 are blank, U+FEFF is not.
 * The reference parsers are Python programs, so every trimming of the formats goes through here.
 */

/** True for the characters that Python's `str.isspace` and `str.strip` take as blank. */
export function isPythonSpace(code: number): boolean {
  if (code <= 0x20) return code === 0x20 || (code >= 0x09 && code <= 0x0d) || (code >= 0x1c && code <= 0x1f);
  if (code < 0x85) return false;
  return (
    code === 0x85 ||
    code === 0xa0 ||
    code === 0x1680 ||
    (code >= 0x2000 && code <= 0x200a) ||
    code === 0x2028 ||
    code === 0x2029 ||
    code === 0x202f ||
    code === 0x205f ||
    code === 0x3000
  );
}

/** The first position at or after `from` that is not blank. */
export function skipSpace(text: string, from: number, end = text.length): number {
  let at = from;
  while (at < end && isPythonSpace(text.charCodeAt(at))) at++;
  return at;
}

/** The position after the last character before `end` that is not blank; never below `from`. */
export function skipSpaceBack(text: string, from: number, end: number): number {
  let at = end;
  while (at > from && isPythonSpace(text.charCodeAt(at - 1))) at--;
  return at;
}

export function strip(text: string): string {
  const start = skipSpace(text, 0);
  return text.slice(start, skipSpaceBack(text, start, text.length));
}

export function stripStart(text: string): string {
  return text.slice(skipSpace(text, 0));
}

export function stripEnd(text: string): string {
  return text.slice(0, skipSpaceBack(text, 0, text.length));
}

export function isBlank(text: string): boolean {
  return skipSpace(text, 0) === text.length;
}
