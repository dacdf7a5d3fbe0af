/** Python's `==`, ordering and `in`. */
import {
  isInt,
  isNumber,
  isText,
  iterate,
  PyDict,
  PyFloat,
  PyObject,
  PyRange,
  PyTuple,
  PyView,
  textOf,
  typeError,
  typeName,
  Undefined,
  type Value,
} from "./values.ts";

/** Python's `==`: numbers by value, booleans among them, collections item by item. */
export function equals(a: Value, b: Value): boolean {
  if (a === b) return true;
  if (isNumber(a) && isNumber(b)) return compareNumbers(a, b) === 0;
  if (isText(a) && isText(b)) return textOf(a) === textOf(b);
  if (Array.isArray(a)) return Array.isArray(b) && sameItems(a, b);
  if (a instanceof PyTuple) return b instanceof PyTuple && sameItems(a.items, b.items);
  if (a instanceof PyDict) return b instanceof PyDict && sameEntries(a, b);
  if (a instanceof PyRange) return b instanceof PyRange && sameItems(a.items(), b.items());
  if (a instanceof PyView && b instanceof PyView && a.kind !== "values" && b.kind !== "values") {
    const others = b.items();
    return a.dict.size === b.dict.size && a.items().every((item) => others.some((other) => equals(item, other)));
  }
  return a instanceof Undefined && b instanceof Undefined;
}

function sameItems(a: readonly Value[], b: readonly Value[]): boolean {
  return a.length === b.length && a.every((item, index) => equals(item, b[index]!));
}

function sameEntries(a: PyDict, b: PyDict): boolean {
  if (a.size !== b.size) return false;
  for (const [key, value] of a.entries()) {
    const other = b.get(key);
    if (other === undefined || !equals(value, other)) return false;
  }
  return true;
}

type Numeric = number | bigint | boolean | PyFloat;

/** Negative, zero or positive; NaN where one of them is NaN. */
export function compareNumbers(a: Numeric, b: Numeric): number {
  const left = plain(a);
  const right = plain(b);
  // JavaScript compares a bigint with a number by exact value, as Python does.
  if (left < right) return -1;
  if (left > right) return 1;
  // biome-ignore lint/suspicious/noDoubleEquals: a bigint and a number of the same value are only == equal
  return left == right ? 0 : Number.NaN;
}

const plain = (value: Numeric): number | bigint =>
  value instanceof PyFloat ? value.value : typeof value === "boolean" ? Number(value) : value;

/** Compares texts by code point, where JavaScript compares by UTF-16 unit. */
export function compareTexts(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) {
      const surrogates = x >= 0xd800 && x <= 0xdfff ? y < 0xd800 || y > 0xdfff : y >= 0xd800 && y <= 0xdfff;
      if (!surrogates) return x - y;
      const high = x >= 0xd800 && x <= 0xdfff;
      return high ? 1 : -1;
    }
  }
  return a.length - b.length;
}

export type Ordering = "<" | "<=" | ">" | ">=";

/** Python's ordering operators; TypeError between values that have no order. */
export function ordered(a: Value, operator: Ordering, b: Value): boolean {
  for (const side of [a, b]) if (side instanceof Undefined) throw side.fail();
  const sign = order(a, operator, b);
  if (operator === "<") return sign < 0;
  if (operator === "<=") return sign <= 0;
  return operator === ">" ? sign > 0 : sign >= 0;
}

function order(a: Value, operator: Ordering, b: Value): number {
  if (isNumber(a) && isNumber(b)) return compareNumbers(a, b);
  if (isText(a) && isText(b)) return compareTexts(textOf(a), textOf(b));
  const left = a instanceof PyTuple && b instanceof PyTuple ? a.items : Array.isArray(a) ? a : null;
  const right = a instanceof PyTuple && b instanceof PyTuple ? b.items : Array.isArray(b) ? b : null;
  if (left === null || right === null) {
    throw typeError(`'${operator}' not supported between instances of '${typeName(a)}' and '${typeName(b)}'`);
  }
  for (let i = 0; i < Math.min(left.length, right.length); i++) {
    if (!equals(left[i]!, right[i]!)) {
      if (ordered(left[i]!, "<", right[i]!)) return -1;
      return order(left[i]!, operator, right[i]!);
    }
  }
  return left.length - right.length;
}

/** Python's `needle in haystack`. */
export function contains(haystack: Value, needle: Value): boolean {
  if (isText(haystack)) {
    if (!isText(needle)) {
      throw typeError(`'in <string>' requires string as left operand, not ${typeName(needle)}`);
    }
    return textOf(haystack).includes(textOf(needle));
  }
  if (haystack instanceof PyDict) return haystack.has(needle);
  if (haystack instanceof PyView && haystack.kind === "keys") return haystack.dict.has(needle);
  if (haystack instanceof PyRange) {
    if (isInt(needle) || needle instanceof PyFloat) return haystack.items().some((item) => equals(item, needle));
    return false;
  }
  if (haystack === null || isNumber(haystack) || haystack instanceof PyObject) {
    throw typeError(`argument of type '${typeName(haystack)}' is not iterable`);
  }
  for (const item of iterate(haystack)) if (equals(item, needle)) return true;
  return false;
}
