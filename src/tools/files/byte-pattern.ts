/**
 * A regular expression over characters as one over the bytes of UTF-8, for grep, which is run byte by byte so that files
 * that are not UTF-8 are searched too. What changes: `.` and negated sets take a whole character, sets hold characters of
 * several bytes, and a repetition repeats the whole character. Unbounded repetitions of `.` stay as they are: they fit
 * the same lines.
 */

/** One character; a byte that belongs to none counts as one. Atomic, so that a character is never taken apart. */
const CHARACTER =
  "(?>[\\x00-\\x7f]|[\\xc2-\\xdf][\\x80-\\xbf]|[\\xe0-\\xef][\\x80-\\xbf]{2}|[\\xf0-\\xf4][\\x80-\\xbf]{3}|[\\x80-\\xff])";

/** What has to be copied as it is, or looked at: quoted text, comments, escapes, sets, single characters. */
const PIECE = /\\Q[\s\S]*?(?:\\E|$)|\(\?#[^)]*\)|\\[\s\S]|\[(\^?)(\]?(?:\[:\^?\w+:\]|\\[\s\S]|[^\]\\])*)\]|[\s\S]/gu;

/** @param pattern In Perl syntax. Lookbehinds are left alone: they have to be of one length. */
export function bytePattern(pattern: string): string {
  if (/\(\?<[=!]/.test(pattern)) return pattern;
  return pattern.replace(PIECE, (piece, negation: string | undefined, set: string | undefined, at: number) => {
    const unbounded = /^[*+]/.test(pattern.slice(at + piece.length));
    if (set !== undefined) return byteSet(piece, negation === "^", set, unbounded);
    if (piece === ".") return unbounded ? piece : CHARACTER;
    return isWide(piece) && !piece.startsWith("\\Q") && !piece.startsWith("(?#")
      ? `(?:${piece.replace("\\", "")})`
      : piece;
  });
}

const isWide = (text: string): boolean => /[^\x00-\x7f]/.test(text);

/** Ranges between wide characters are written out up to this many. */
const MOST_IN_RANGE = 1000;

function byteSet(whole: string, negated: boolean, set: string, unbounded: boolean): string {
  if (!isWide(set)) return negated && !unbounded ? `(?:(?!${whole.replace("[^", "[")})${CHARACTER})` : whole;
  const wide: string[] = [];
  const narrow = set.replace(
    /([^\x00-\x7f])-([^\]\x00-\x7f])|([^\x00-\x7f])/gu,
    (_text, from?: string, to?: string, one?: string) => {
      if (one !== undefined) wide.push(one);
      else if (from !== undefined && to !== undefined) {
        const [first, last] = [from.codePointAt(0)!, to.codePointAt(0)!];
        for (let code = first; code <= Math.min(last, first + MOST_IN_RANGE); code++)
          wide.push(String.fromCodePoint(code));
      }
      return "";
    },
  );
  const any = [...(narrow === "" ? [] : [`[${narrow}]`]), ...wide].join("|");
  return negated ? `(?:(?!${any})${CHARACTER})` : `(?:${any})`;
}
