/** Filters that make numbers. */
import { numeric, toFloat } from "./arithmetic.ts";
import type { Filter } from "./filters.ts";
import { parseFloatText, parseIntText } from "./number-text.ts";
import { fixedDigits, roundHalfEven } from "./rounding.ts";
import { bind, wholeNumber } from "./signature.ts";
import {
  isInt,
  isNumber,
  isText,
  normalInt,
  PyError,
  PyFloat,
  textOf,
  typeError,
  typeName,
  Undefined,
  type Value,
} from "./values.ts";

export const numberFilters: Record<string, Filter> = {
  abs: (value, args) => {
    bind("abs", args, []);
    if (value instanceof Undefined) throw value.fail();
    if (value instanceof PyFloat) return new PyFloat(Math.abs(value.value));
    if (!isInt(value)) throw typeError(`bad operand type for abs(): '${typeName(value)}'`);
    return typeof value === "bigint" ? (value < 0n ? -value : value) : Math.abs(Number(value));
  },
  int: (value, args) => {
    const [fallback, base] = bind("int", args, ["default", "base"]);
    return toInt(value, base === undefined ? 10 : wholeNumber(base)) ?? fallback ?? 0;
  },
  float: (value, args) => {
    const [fallback] = bind("float", args, ["default"]);
    if (value instanceof Undefined) throw value.fail();
    const result = isNumber(value) ? toFloat(value) : isText(value) ? parseFloatText(textOf(value)) : null;
    return result === null ? (fallback ?? new PyFloat(0)) : new PyFloat(result);
  },
  round: (value, args) => {
    const [precision, method] = bind("round", args, ["precision", "method"]);
    return round(value, precision === undefined ? 0 : wholeNumber(precision), method ?? "common");
  },
  filesizeformat: (value, args) => {
    const [binary] = bind("filesizeformat", args, ["binary"]);
    return fileSize(value, binary !== undefined && binary !== false);
  },
};

/** null where the filter's default takes over. */
function toInt(value: Value, base: number): Value | null {
  if (value instanceof Undefined) throw value.fail();
  if (isText(value)) {
    const whole = parseIntText(textOf(value), base);
    if (whole !== null) return whole;
    const float = parseFloatText(textOf(value));
    return float === null || !Number.isFinite(float) ? null : truncated(float);
  }
  if (value instanceof PyFloat) {
    if (Number.isNaN(value.value)) return null;
    if (!Number.isFinite(value.value)) {
      throw new PyError("OverflowError", "cannot convert float infinity to integer");
    }
    return truncated(value.value);
  }
  if (!isInt(value)) return null;
  return typeof value === "boolean" ? Number(value) : value;
}

const truncated = (value: number): number | bigint => normalInt(BigInt(Math.trunc(value)));

function round(value: Value, precision: number, method: Value): Value {
  if (value instanceof Undefined) throw value.fail();
  if (method !== "common" && method !== "ceil" && method !== "floor") {
    throw new PyError("FilterArgumentError", "method must be common, ceil or floor");
  }
  if (!isNumber(value)) throw typeError(`type ${typeName(value)} doesn't define __round__ method`);
  if (method === "common") {
    if (value instanceof PyFloat) return new PyFloat(roundHalfEven(value.value, precision));
    return precision >= 0 ? (typeof value === "boolean" ? Number(value) : value) : roundInt(BigInt(value), -precision);
  }
  const scale = numeric("**", 10, precision);
  const scaled = numeric("*", value, scale as number);
  const whole = scaled instanceof PyFloat ? truncated(Math[method](scaled.value)) : (scaled as number | bigint);
  return numeric("/", whole, scale as number);
}

function roundInt(value: bigint, digits: number): Value {
  const unit = 10n ** BigInt(digits);
  const rest = ((value % unit) + unit) % unit;
  let down = (value - rest) / unit;
  if (rest * 2n > unit || (rest * 2n === unit && down % 2n !== 0n)) down += 1n;
  return normalInt(down * unit);
}

function fileSize(value: Value, binary: boolean): string {
  const bytes = isNumber(value) ? toFloat(value) : isText(value) ? parseFloatText(textOf(value)) : null;
  if (bytes === null) throw typeError("filesizeformat needs a number");
  const base = binary ? 1024 : 1000;
  if (bytes === 1) return "1 Byte";
  if (bytes < base) return `${Math.trunc(bytes)} Bytes`;
  const units = [..."kMGTPEZY"].map((letter) => (binary ? `${letter.toUpperCase()}iB` : `${letter}B`));
  for (const [index, unit] of units.entries()) {
    const size = base ** (index + 2);
    if (bytes < size || index === units.length - 1) return `${fixedDigits((base * bytes) / size, 1)} ${unit}`;
  }
  return "";
}
