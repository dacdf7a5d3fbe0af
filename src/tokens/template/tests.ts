/** The tests of `is`. */
import { arithmetic } from "./arithmetic.ts";
import { isLower, isUpper } from "./characters.ts";
import { contains, equals, ordered } from "./compare.ts";
import { FILTER_NAMES, TEST_NAMES } from "./names.ts";
import { str } from "./print.ts";
import { bind } from "./signature.ts";
import {
  type Arguments,
  isInt,
  isNumber,
  isText,
  Markup,
  Namespace,
  PyDict,
  PyError,
  PyFloat,
  PyFunction,
  PyObject,
  PyRange,
  PyTuple,
  textOf,
  typeError,
  Undefined,
  type Value,
} from "./values.ts";

type Test = (value: Value, args: Arguments) => boolean;

export function applyTest(name: string, value: Value, args: Arguments): boolean {
  const test = TESTS.get(name);
  if (test === undefined) throw new PyError("TemplateRuntimeError", `No test named '${name}' found.`);
  return test(value, args);
}

const plain =
  (name: string, run: (value: Value) => boolean): Test =>
  (value, args) => {
    bind(name, args, []);
    return run(value);
  };

const withOther =
  (name: string, run: (value: Value, other: Value) => boolean): Test =>
  (value, args) =>
    run(value, bind(name, args, ["other"], 1)[0]!);

const remainder = (value: Value, by: Value, is: number): boolean => equals(arithmetic("%", value, by), is);

const isSequence = (value: Value): boolean =>
  isText(value) ||
  Array.isArray(value) ||
  value instanceof PyTuple ||
  value instanceof PyDict ||
  value instanceof PyRange ||
  value instanceof Undefined;

const isIterable = (value: Value): boolean =>
  !(value === null || isNumber(value) || value instanceof PyFunction || value instanceof Namespace) &&
  !(value instanceof PyObject && value.length === null);

/** `is` in Python's sense; what is not an object of its own here is compared by kind and value. */
function identical(a: Value, b: Value): boolean {
  if (a instanceof PyFloat || b instanceof PyFloat) return a === b;
  if (typeof a === "boolean" || typeof b === "boolean") return a === b;
  if (a instanceof PyTuple && b instanceof PyTuple && a.items.length === 0) return b.items.length === 0;
  return a === b;
}

const EQUAL: Test = withOther("eq", equals);
const UNEQUAL: Test = withOther("ne", (value, other) => !equals(value, other));
const GREATER: Test = withOther("gt", (value, other) => ordered(value, ">", other));
const GREATER_OR_EQUAL: Test = withOther("ge", (value, other) => ordered(value, ">=", other));
const LESS: Test = withOther("lt", (value, other) => ordered(value, "<", other));
const LESS_OR_EQUAL: Test = withOther("le", (value, other) => ordered(value, "<=", other));

const isKnown =
  (names: ReadonlySet<string>) =>
  (value: Value): boolean => {
    if (Array.isArray(value) || value instanceof PyDict) throw typeError("unhashable type");
    return isText(value) && names.has(textOf(value));
  };

const TESTS = new Map<string, Test>([
  ["defined", plain("defined", (value) => !(value instanceof Undefined))],
  ["undefined", plain("undefined", (value) => value instanceof Undefined)],
  ["none", plain("none", (value) => value === null)],
  ["boolean", plain("boolean", (value) => typeof value === "boolean")],
  ["true", plain("true", (value) => value === true)],
  ["false", plain("false", (value) => value === false)],
  ["integer", plain("integer", (value) => isInt(value) && typeof value !== "boolean")],
  ["float", plain("float", (value) => value instanceof PyFloat)],
  ["number", plain("number", isNumber)],
  ["string", plain("string", isText)],
  ["mapping", plain("mapping", (value) => value instanceof PyDict)],
  ["sequence", plain("sequence", isSequence)],
  ["iterable", plain("iterable", isIterable)],
  ["callable", plain("callable", isCallable)],
  ["lower", plain("lower", (value) => isLower(str(value)))],
  ["upper", plain("upper", (value) => isUpper(str(value)))],
  ["escaped", plain("escaped", (value) => value instanceof Markup)],
  ["odd", plain("odd", (value) => remainder(value, 2, 1))],
  ["even", plain("even", (value) => remainder(value, 2, 0))],
  ["divisibleby", (value, args) => remainder(value, bind("divisibleby", args, ["num"], 1)[0]!, 0)],
  ["sameas", withOther("sameas", identical)],
  ["in", (value, args) => contains(bind("in", args, ["seq"], 1)[0]!, value)],
  ["filter", plain("filter", isKnown(FILTER_NAMES))],
  ["test", plain("test", isKnown(TEST_NAMES))],
  ...["eq", "==", "equalto"].map((name): [string, Test] => [name, EQUAL]),
  ...["ne", "!="].map((name): [string, Test] => [name, UNEQUAL]),
  ...["gt", ">", "greaterthan"].map((name): [string, Test] => [name, GREATER]),
  ...["ge", ">="].map((name): [string, Test] => [name, GREATER_OR_EQUAL]),
  ...["lt", "<", "lessthan"].map((name): [string, Test] => [name, LESS]),
  ...["le", "<="].map((name): [string, Test] => [name, LESS_OR_EQUAL]),
]);

function isCallable(value: Value): boolean {
  return (
    value instanceof PyFunction || value instanceof Undefined || (value instanceof PyObject && value.call !== null)
  );
}
