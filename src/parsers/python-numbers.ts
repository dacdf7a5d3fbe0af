/** Numbers as Python's `int(text)` and `float(text)` read them: blanks around, a sign, underscores between digits. */
import { strip } from "./python-strings.ts";

const INTEGER = /^[+-]?\d+(?:_\d+)*$/;
const FLOAT = /^[+-]?(?:\d+(?:_\d+)*(?:\.(?:\d+(?:_\d+)*)?)?|\.\d+(?:_\d+)*)(?:[eE][+-]?\d+(?:_\d+)*)?$/;
const NOT_FINITE = /^([+-]?)(?:(inf|infinity)|nan)$/i;
const MAX_DIGITS = 4300;

/** The integer, or null where Python raises. */
export function pythonInt(text: string): bigint | null {
  const trimmed = strip(text);
  if (trimmed.length > MAX_DIGITS || !INTEGER.test(trimmed)) return null;
  return BigInt(trimmed.replace(/[_+]/g, ""));
}

/** The float, also infinite or NaN, or null where Python raises. */
export function pythonFloat(text: string): number | null {
  const trimmed = strip(text);
  const special = NOT_FINITE.exec(trimmed);
  if (special) {
    if (special[2] === undefined) return Number.NaN;
    return special[1] === "-" ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  }
  return FLOAT.test(trimmed) ? Number(trimmed.replaceAll("_", "")) : null;
}

/** A float that is whole becomes an integer, as several references do; null where it is not finite. */
export function wholeToInteger(value: number): bigint | number | null {
  if (!Number.isFinite(value)) return null;
  return Number.isInteger(value) ? BigInt(value) : value;
}
