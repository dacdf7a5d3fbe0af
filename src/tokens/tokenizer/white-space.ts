/**
 * Character classes of Rust and Oniguruma where JavaScript's own mean something else: its `\s` and `trim` hold U+FEFF
 * and not U+0085, and its `\w` is ASCII.
 */

/** Unicode White_Space. */
export const WHITE_SPACE = /\p{White_Space}/v;
/** The word characters of Rust's regex crate. */
export const WORD_CHAR = /[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]/v;

/** Length of the white space at the text's start, in UTF-16 units. */
export function leadingSpace(text: string): number {
  return /^\p{White_Space}*/v.exec(text)![0].length;
}

/** Length of the white space at the text's end, in UTF-16 units. All white space is in the basic plane. */
export function trailingSpace(text: string): number {
  let at = text.length;
  while (at > 0 && WHITE_SPACE.test(text[at - 1]!)) at--;
  return text.length - at;
}
