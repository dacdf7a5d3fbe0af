/** Case and character classes as Python's str has them. */
import { SPACE_CLASS } from "./text-space.ts";

/** Letters whose title case is neither upper nor lower: the digraphs ǆ ǉ ǌ ǳ. */
const DIGRAPHS: Record<string, string> = {
  Ǆ: "ǅ",
  ǅ: "ǅ",
  ǆ: "ǅ",
  Ǉ: "ǈ",
  ǈ: "ǈ",
  ǉ: "ǈ",
  Ǌ: "ǋ",
  ǋ: "ǋ",
  ǌ: "ǋ",
  Ǳ: "ǲ",
  ǲ: "ǲ",
  ǳ: "ǲ",
};

function titleChar(char: string): string {
  const digraph = DIGRAPHS[char];
  if (digraph !== undefined) return digraph;
  const [first = "", ...rest] = char.toUpperCase();
  return first + rest.join("").toLowerCase();
}

export function capitalize(text: string): string {
  const [first] = text;
  // The rest is lowered in place, so that a final sigma sees what stands before it.
  return first === undefined ? "" : titleChar(first) + text.toLowerCase().slice(first.toLowerCase().length);
}

const CASED = /[\p{Lowercase}\p{Uppercase}\p{Lt}]/v;

export function title(text: string): string {
  let result = "";
  let inWord = false;
  for (const char of text) {
    result += inWord ? char.toLowerCase() : titleChar(char);
    inWord = CASED.test(char);
  }
  return result;
}

export function swapCase(text: string): string {
  let result = "";
  for (const char of text) result += /\p{Uppercase}/v.test(char) ? char.toLowerCase() : char.toUpperCase();
  return result;
}

/** Full case folding, by way of the upper case where that expands (ß → ss). */
export function casefold(text: string): string {
  let result = "";
  for (const char of text) {
    const upper = char.toUpperCase();
    result += [...upper].length > 1 ? upper.toLowerCase() : char === "ς" ? "σ" : char.toLowerCase();
  }
  return result;
}

const every =
  (pattern: RegExp) =>
  (text: string): boolean => {
    if (text === "") return false;
    for (const char of text) if (!pattern.test(char)) return false;
    return true;
  };

/** Digits that are no decimals: superscripts, circled and the like. */
const DIGIT = /[\p{Nd}²³¹፩-፱᧚⁰⁴-⁹₀-₉①-⑨⑴-⑼⒈-⒐⓪⓵-⓽⓿❶-❾➀-➈➊-➒𐩀-𐩃𐹠-𐹨𑁒-𑁚🄀-🄊]/v;
/** Han characters that are numbers, which Python counts as numeric. */
const NUMERIC =
  /[\p{N}㐅㒃㠪㡳㣇㬺㮕一七万三九二五亖亿什仟仨伍佰俩倆億兆兩八六十千卄卅卌参參叁叄四壱壹壺幺廾廿弌弍弎弐弗拾捌柒漆玖百皕秭肆萬貮貳贰阡陆陌陸零]/v;

export const isAlpha = every(/\p{L}/v);
export const isDecimal = every(/\p{Nd}/v);
export const isDigit = every(DIGIT);
export const isNumeric = every(NUMERIC);
export const isAlnum = every(/[\p{L}\p{N}]/v);
export const isAscii = (text: string): boolean => /^[\x00-\x7f]*$/.test(text);
export const isIdentifier = (text: string): boolean => /^[\p{XID_Start}_]\p{XID_Continue}*$/v.test(text);
export const isPrintable = (text: string): boolean => !/[\p{C}\p{Zl}\p{Zp}]|(?! )\p{Zs}/v.test(text);

export const isLower = (text: string): boolean => /\p{Lowercase}/v.test(text) && !/[\p{Uppercase}\p{Lt}]/v.test(text);
export const isUpper = (text: string): boolean => /\p{Uppercase}/v.test(text) && !/[\p{Lowercase}\p{Lt}]/v.test(text);

export function isTitle(text: string): boolean {
  let inWord = false;
  let found = false;
  for (const char of text) {
    const capital = /[\p{Uppercase}\p{Lt}]/v.test(char);
    const small = /\p{Lowercase}/v.test(char);
    if ((capital && inWord) || (small && !inWord)) return false;
    inWord = capital || small;
    found ||= inWord;
  }
  return found;
}

export function expandTabs(text: string, size: number): string {
  let column = 0;
  let result = "";
  for (const char of text) {
    if (char === "\t") {
      const gap = size > 0 ? size - (column % size) : 0;
      result += " ".repeat(gap);
      column += gap;
    } else {
      result += char;
      column = char === "\n" || char === "\r" ? 0 : column + 1;
    }
  }
  return result;
}

/** Words with capitals as the `title` filter makes them: only after spaces, hyphens and opening brackets. */
export function filterTitle(text: string): string {
  return text
    .split(new RegExp(`([-${SPACE_CLASS}({\\[<]+)`))
    .map((part) => {
      const [first] = part;
      return first === undefined ? "" : first.toUpperCase() + part.slice(first.length).toLowerCase();
    })
    .join("");
}
