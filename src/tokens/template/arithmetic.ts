/** Python's operators `+ - * / // % **` and unary minus. */

import { escapeHtml } from "./html.ts";
import { formatPercent } from "./percent-format.ts";
import {
  isInt,
  isNumber,
  isText,
  Markup,
  normalInt,
  PyError,
  PyFloat,
  PyTuple,
  textOf,
  typeError,
  typeName,
  Undefined,
  type Value,
} from "./values.ts";

export type Operator = "+" | "-" | "*" | "/" | "//" | "%" | "**";
type Int = number | bigint | boolean;

/** Texts and lists grown by `*` beyond this are refused, as they would exhaust memory. */
const LONGEST = 50_000_000;

export function arithmetic(operator: Operator, a: Value, b: Value): Value {
  if (a instanceof Undefined) throw a.fail();
  if (operator === "%" && isText(a)) return formatPercent(a, b);
  if (b instanceof Undefined) throw b.fail();
  if (isNumber(a) && isNumber(b)) return numeric(operator, a, b);
  if (operator === "+") {
    if (isText(a) && isText(b)) return concatenated(a, b);
    if (Array.isArray(a) && Array.isArray(b)) return [...a, ...b];
    if (a instanceof PyTuple && b instanceof PyTuple) return new PyTuple([...a.items, ...b.items]);
  }
  if (operator === "*") {
    if (isInt(b)) return repeated(a, b) ?? unsupported(operator, a, b);
    if (isInt(a)) return repeated(b, a) ?? unsupported(operator, a, b);
  }
  return unsupported(operator, a, b);
}

function unsupported(operator: Operator, a: Value, b: Value): never {
  if (operator === "+" && isText(a)) {
    throw typeError(`can only concatenate str (not "${typeName(b)}") to str`);
  }
  const shown = operator === "**" ? "** or pow()" : operator;
  throw typeError(`unsupported operand type(s) for ${shown}: '${typeName(a)}' and '${typeName(b)}'`);
}

function concatenated(a: string | Markup, b: string | Markup): Value {
  if (typeof a === "string" && typeof b === "string") return a + b;
  const safe = (side: string | Markup): string => (typeof side === "string" ? escapeHtml(side) : side.text);
  return new Markup(safe(a) + safe(b));
}

function repeated(value: Value, times: Int): Value | null {
  const count = Math.max(0, Number(times));
  const check = (length: number): void => {
    if (length * count > LONGEST) throw new PyError("MemoryError", "the result is too long");
  };
  if (isText(value)) {
    check(textOf(value).length);
    const text = textOf(value).repeat(count);
    return typeof value === "string" ? text : new Markup(text);
  }
  if (Array.isArray(value) || value instanceof PyTuple) {
    const items = Array.isArray(value) ? value : value.items;
    check(items.length);
    const result: Value[] = [];
    for (let i = 0; i < count; i++) result.push(...items);
    return Array.isArray(value) ? result : new PyTuple(result);
  }
  return null;
}

export function numeric(operator: Operator, a: Int | PyFloat, b: Int | PyFloat): Value {
  if (a instanceof PyFloat || b instanceof PyFloat) return floats(operator, toFloat(a), toFloat(b));
  if (operator === "/") {
    if (Number(b) === 0) throw new PyError("ZeroDivisionError", "division by zero");
    return new PyFloat(toFloat(a) / toFloat(b));
  }
  if (operator === "**" && Number(b) < 0) return floats(operator, Number(a), Number(b));
  return integers(operator, a, b);
}

/** The float of any number; OverflowError beyond its range. */
export function toFloat(value: Int | PyFloat): number {
  if (value instanceof PyFloat) return value.value;
  const result = Number(value);
  if (!Number.isFinite(result)) throw new PyError("OverflowError", "int too large to convert to float");
  return result;
}

function floats(operator: Operator, a: number, b: number): PyFloat {
  switch (operator) {
    case "+":
      return new PyFloat(a + b);
    case "-":
      return new PyFloat(a - b);
    case "*":
      return new PyFloat(a * b);
    case "/":
      if (b === 0) throw new PyError("ZeroDivisionError", "float division by zero");
      return new PyFloat(a / b);
    case "**":
      return new PyFloat(floatPower(a, b));
    default: {
      if (b === 0) {
        throw new PyError("ZeroDivisionError", operator === "%" ? "float modulo" : "float floor division by zero");
      }
      let remainder = a % b;
      if (remainder !== 0 && remainder < 0 !== b < 0) remainder += b;
      else if (remainder === 0) remainder = b < 0 ? -0 : 0;
      if (operator === "%") return new PyFloat(remainder);
      const quotient = (a - remainder) / b;
      const floor = Math.floor(quotient);
      return new PyFloat(quotient - floor > 0.5 ? floor + 1 : floor);
    }
  }
}

function floatPower(a: number, b: number): number {
  if (a === 0 && b < 0) throw new PyError("ZeroDivisionError", "0.0 cannot be raised to a negative power");
  const result = a ** b;
  if (Number.isNaN(result) && !Number.isNaN(a) && !Number.isNaN(b)) {
    throw typeError("complex numbers are not supported in chat templates");
  }
  if (!Number.isFinite(result) && Number.isFinite(a) && Number.isFinite(b)) {
    throw new PyError("OverflowError", "Numerical result out of range");
  }
  return a === 1 ? 1 : result;
}

function integers(operator: Operator, a: Int, b: Int): Value {
  const x = Number(a);
  const y = Number(b);
  if ((operator === "//" || operator === "%") && y === 0) {
    throw new PyError(
      "ZeroDivisionError",
      operator === "%" ? "integer modulo by zero" : "integer division or modulo by zero",
    );
  }
  if (Number.isSafeInteger(x) && Number.isSafeInteger(y)) {
    const quick = smallIntegers(operator, x, y);
    if (Number.isSafeInteger(quick)) return quick + 0;
  }
  return normalInt(bigIntegers(operator, BigInt(a), BigInt(b)));
}

function smallIntegers(operator: Operator, x: number, y: number): number {
  switch (operator) {
    case "+":
      return x + y;
    case "-":
      return x - y;
    case "*":
      return x * y;
    case "//":
      return (x - modulo(x, y)) / y;
    case "%":
      return modulo(x, y);
    default:
      return x ** y;
  }
}

/** The remainder with the divisor's sign. */
const modulo = (x: number, y: number): number => {
  const remainder = x % y;
  return remainder !== 0 && remainder < 0 !== y < 0 ? remainder + y : remainder;
};

function bigIntegers(operator: Operator, x: bigint, y: bigint): bigint {
  const remainder = (): bigint => {
    const rest = x % y;
    return rest !== 0n && rest < 0n !== y < 0n ? rest + y : rest;
  };
  switch (operator) {
    case "+":
      return x + y;
    case "-":
      return x - y;
    case "*":
      return x * y;
    case "//":
      return (x - remainder()) / y;
    case "%":
      return remainder();
    default:
      if (y > 100_000n) throw new PyError("MemoryError", "the power is too large");
      return x ** y;
  }
}

export function negative(value: Value): Value {
  if (value instanceof Undefined) throw value.fail();
  if (value instanceof PyFloat) return new PyFloat(-value.value);
  if (!isInt(value)) throw typeError(`bad operand type for unary -: '${typeName(value)}'`);
  return typeof value === "bigint" ? normalInt(-value) : 0 - Number(value);
}

export function positive(value: Value): Value {
  if (value instanceof Undefined) throw value.fail();
  if (value instanceof PyFloat) return value;
  if (!isInt(value)) throw typeError(`bad operand type for unary +: '${typeName(value)}'`);
  return typeof value === "boolean" ? Number(value) : value;
}
