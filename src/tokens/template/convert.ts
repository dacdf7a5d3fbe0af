/**
 * JavaScript's values, as callers have them, to Python's. A whole JavaScript number becomes an int, since nothing tells
 * whether 1 was written 1.0; `parseJsonKeepingKinds` and `PyFloat` keep the kind.
 */
import { LachesisError } from "../../core/index.ts";
import {
  Markup,
  Namespace,
  normalInt,
  PyDict,
  PyFloat,
  PyFunction,
  PyIterator,
  PyObject,
  PyRange,
  PyTuple,
  PyView,
  Undefined,
  type Value,
} from "./values.ts";

const CLASSES = [
  PyFloat,
  PyTuple,
  PyDict,
  PyView,
  PyIterator,
  PyRange,
  Namespace,
  Markup,
  PyFunction,
  PyObject,
  Undefined,
];

function isEngineValue(value: object): value is Exclude<Value, null | string | number | bigint | boolean | Value[]> {
  return CLASSES.some((kind) => value instanceof kind);
}

/** Fields that are undefined are left out, as JSON.stringify does; an undefined item of a list becomes None. */
export function toValue(value: unknown): Value {
  if (value === null || typeof value === "string" || typeof value === "boolean") return value;
  if (typeof value === "bigint") return normalInt(value);
  if (typeof value === "number") return numberValue(value);
  if (value === undefined) return null;
  if (Array.isArray(value)) return value.map(toValue);
  if (typeof value === "object") {
    if (isEngineValue(value)) return value;
    if (value instanceof Map) return PyDict.of([...value].map(([key, item]) => [toValue(key), toValue(item)] as const));
    const fields = Object.entries(value).filter(([, item]) => item !== undefined);
    return PyDict.of(fields.map(([key, item]) => [key, toValue(item)] as const));
  }
  throw new LachesisError("template_error", `A ${typeof value} cannot be given to a chat template.`);
}

/** From 1e21 on JSON writes a number with an exponent, which Python reads as a float. */
function numberValue(value: number): Value {
  if (!Number.isInteger(value) || Math.abs(value) >= 1e21) return new PyFloat(value);
  return Number.isSafeInteger(value) ? value + 0 : BigInt(value);
}
