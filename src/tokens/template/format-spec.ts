/** Python's format mini-language for one value: `[[fill]align][sign][z][#][0][width][grouping][.precision][type]`. */
import { floatRepr, str } from "./print.ts";
import { fixedDigits } from "./rounding.ts";
import {
  codePointLength,
  isInt,
  isText,
  PyError,
  PyFloat,
  textOf,
  typeError,
  typeName,
  Undefined,
  type Value,
  valueError,
} from "./values.ts";

interface Spec {
  fill: string;
  align: string;
  sign: string;
  alternate: boolean;
  width: number;
  grouping: string;
  precision: number | null;
  type: string;
}

const PATTERN = /^(?:([\s\S])?([<>=^]))?([-+ ])?z?(#)?(0)?(\d+)?([,_])?(?:\.(\d+))?([a-zA-Z%])?$/u;

export function formatValue(value: Value, text: string): string {
  if (value instanceof Undefined) {
    if (text === "") return str(value);
    throw typeError("unsupported format string passed to Undefined.__format__");
  }
  if (text === "") return str(value);
  const match = PATTERN.exec(text);
  if (match === null) throw valueError(`Invalid format specifier '${text}'`);
  const zero = match[5] !== undefined && match[2] === undefined;
  const spec: Spec = {
    fill: match[1] ?? (zero ? "0" : " "),
    align: match[2] ?? (zero ? "=" : ""),
    sign: match[3] ?? "-",
    alternate: match[4] !== undefined,
    width: Number(match[6] ?? 0),
    grouping: match[7] ?? "",
    precision: match[8] === undefined ? null : Number(match[8]),
    type: match[9] ?? "",
  };
  if (isText(value)) return formatStr(textOf(value), spec);
  if (value instanceof PyFloat) return formatFloat(value.value, spec);
  if (typeof value === "boolean" && spec.type === "") return formatInt(Number(value), { ...spec, type: "d" });
  if (isInt(value)) return formatInt(value, spec);
  throw typeError(`unsupported format string passed to ${typeName(value)}.__format__`);
}

function formatStr(text: string, spec: Spec): string {
  if (spec.type !== "" && spec.type !== "s") {
    throw valueError(`Unknown format code '${spec.type}' for object of type 'str'`);
  }
  if (spec.align === "=" && spec.fill !== "0") throw valueError("'=' alignment not allowed in string format specifier");
  const cut = spec.precision === null ? text : [...text].slice(0, spec.precision).join("");
  return pad("", cut, { ...spec, align: spec.align === "=" || spec.align === "" ? "<" : spec.align });
}

const BASES: Record<string, [radix: number, prefix: string]> = {
  b: [2, "0b"],
  o: [8, "0o"],
  x: [16, "0x"],
  X: [16, "0X"],
};

function formatInt(value: number | bigint | boolean, spec: Spec): string {
  if ("eEfFgG%".includes(spec.type) && spec.type !== "") return formatFloat(Number(value), spec);
  if (spec.precision !== null) throw valueError("Precision not allowed in integer format specifier");
  if (spec.type === "c") return pad("", String.fromCodePoint(Number(value)), { ...spec, align: spec.align || "<" });
  const whole = BigInt(value);
  const [radix, prefix] = BASES[spec.type] ?? [10, ""];
  if (radix === 10 && !["", "d", "n"].includes(spec.type)) {
    throw valueError(`Unknown format code '${spec.type}' for object of type 'int'`);
  }
  let digits = (whole < 0n ? -whole : whole).toString(radix);
  if (spec.type === "X") digits = digits.toUpperCase();
  return pad(
    signOf(whole < 0n, spec) + (spec.alternate ? prefix : ""),
    group(digits, spec, radix === 10 ? 3 : 4),
    spec,
  );
}

function formatFloat(value: number, spec: Spec): string {
  const negative = value < 0 || Object.is(value, -0);
  return pad(signOf(negative, spec), floatDigits(Math.abs(value), spec), spec);
}

function floatDigits(value: number, spec: Spec): string {
  const upper = spec.type === spec.type.toUpperCase() && spec.type !== "" && spec.type !== "%";
  const cased = (text: string): string => (upper ? text.toUpperCase() : text);
  if (!Number.isFinite(value)) return cased(Number.isNaN(value) ? "nan" : "inf") + (spec.type === "%" ? "%" : "");
  switch (spec.type.toLowerCase()) {
    case "f":
      return group(fixedDigits(value, spec.precision ?? 6), spec, 3);
    case "%":
      return `${group(fixedDigits(value * 100, spec.precision ?? 6), spec, 3)}%`;
    case "e":
      return cased(exponential(value, spec.precision ?? 6));
    case "g":
      return cased(group(general(value, spec.precision ?? 6, spec.alternate), spec, 3));
    case "":
      if (spec.precision === null) return group(floatRepr(value), spec, 3);
      return group(withPoint(general(value, spec.precision, false)), spec, 3);
    default:
      throw valueError(`Unknown format code '${spec.type}' for object of type 'float'`);
  }
}

const withPoint = (text: string): string => (/[.e]/.test(text) ? text : `${text}.0`);

function exponential(value: number, precision: number): string {
  if (precision > 100) throw new PyError("ValueError", "precision too big");
  const [mantissa, exponent] = value.toExponential(precision).split("e") as [string, string];
  return `${mantissa}e${exponent[0]}${exponent.slice(1).padStart(2, "0")}`;
}

/** Significant digits, an exponent where the number is very small or large, no zeros at the end. */
function general(value: number, precision: number, keepZeros: boolean): string {
  const digits = Math.min(precision === 0 ? 1 : precision, 100);
  const exponent = value === 0 ? 0 : Number(value.toExponential(digits - 1).split("e")[1]);
  const trim = (text: string): string => (keepZeros || !text.includes(".") ? text : text.replace(/\.?0+$/, ""));
  if (exponent < -4 || exponent >= digits) {
    const [mantissa, power] = exponential(value, digits - 1).split("e") as [string, string];
    return `${trim(mantissa)}e${power}`;
  }
  return trim(fixedDigits(value, digits - 1 - exponent));
}

const signOf = (negative: boolean, spec: Spec): string => (negative ? "-" : spec.sign === "-" ? "" : spec.sign);

function group(digits: string, spec: Spec, size: number): string {
  if (spec.grouping === "") return digits;
  const [whole, ...rest] = digits.split(/(?=[.e])/) as [string, ...string[]];
  const parts: string[] = [];
  for (let end = whole.length; end > 0; end -= size) parts.unshift(whole.slice(Math.max(0, end - size), end));
  return parts.join(spec.grouping) + rest.join("");
}

function pad(sign: string, digits: string, spec: Spec): string {
  const gap = spec.width - codePointLength(sign + digits);
  if (gap <= 0) return sign + digits;
  const fill = spec.fill;
  switch (spec.align) {
    case "<":
      return sign + digits + fill.repeat(gap);
    case "^":
      return fill.repeat(Math.floor(gap / 2)) + sign + digits + fill.repeat(Math.ceil(gap / 2));
    case "=":
      return sign + zeros(digits, gap, spec);
    default:
      return fill.repeat(gap) + sign + digits;
  }
}

/** Zeros that are put in front are grouped as the digits are. */
function zeros(digits: string, gap: number, spec: Spec): string {
  if (spec.grouping === "" || spec.fill !== "0") return spec.fill.repeat(gap) + digits;
  const plain = digits.replaceAll(spec.grouping, "");
  const wanted = digits.length + gap;
  let result = digits;
  for (let count = 1; result.length < wanted; count++) result = group("0".repeat(count) + plain, spec, 3);
  return result;
}
