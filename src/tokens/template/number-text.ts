/** Numbers out of text, as Python's `int(text, base)` and `float(text)` read them; null where those raise ValueError. */
import { trim } from "./text-space.ts";
import { normalInt } from "./values.ts";

/** Decimal digits of every script as ASCII ones: their blocks are of ten, in order. */
function asciiDigits(text: string): string {
  return text.replace(/\p{Nd}/gu, (digit) => {
    let zero = digit.codePointAt(0)!;
    for (let steps = 0; steps < 9 && /^\p{Nd}$/u.test(String.fromCodePoint(zero - 1)); steps++) zero--;
    const value = (digit.codePointAt(0)! - zero) % 10;
    return digit < "\x80" ? digit : String(value);
  });
}

const PREFIXES: Record<string, number> = { "0x": 16, "0o": 8, "0b": 2 };

export function parseIntText(text: string, base: number): number | bigint | null {
  let rest = asciiDigits(trim(text)).toLowerCase();
  const negative = rest.startsWith("-");
  if (/^[+-]/.test(rest)) rest = rest.slice(1);
  const prefix = PREFIXES[rest.slice(0, 2)];
  let radix = base;
  if (prefix !== undefined && (base === 0 || base === prefix)) {
    rest = rest.slice(2).replace(/^_/, "");
    radix = prefix;
  } else if (base === 0) {
    if (/^0[\d_]*[1-9]/.test(rest)) return null;
    radix = 10;
  }
  if (!/^[0-9a-z]+(?:_[0-9a-z]+)*$/.test(rest)) return null;
  let value = 0n;
  for (const digit of rest.replaceAll("_", "")) {
    const worth = Number.parseInt(digit, 36);
    if (worth >= radix) return null;
    value = value * BigInt(radix) + BigInt(worth);
  }
  return normalInt(negative ? -value : value);
}

export function parseFloatText(text: string): number | null {
  const clean = asciiDigits(trim(text)).toLowerCase();
  const word = /^([+-]?)(inf|infinity|nan)$/.exec(clean);
  if (word !== null) {
    if (word[2] === "nan") return Number.NaN;
    return word[1] === "-" ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  }
  const number = /^[+-]?(?:\d+(?:_\d+)*(?:\.(?:\d+(?:_\d+)*)?)?|\.\d+(?:_\d+)*)(?:e[+-]?\d+(?:_\d+)*)?$/;
  return number.test(clean) ? Number(clean.replaceAll("_", "")) : null;
}
