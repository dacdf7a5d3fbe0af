/** The functions that a template finds without being given them: jinja2's own and transformers'. */
import { LachesisError } from "../../core/index.ts";
import { dictMethod } from "./collection-methods.ts";
import { repr, str } from "./print.ts";
import { bind, textArgument, wholeNumber } from "./signature.ts";
import { strftime } from "./strftime.ts";
import {
  type Arguments,
  isText,
  iterate,
  Namespace,
  PyDict,
  PyError,
  PyFunction,
  PyObject,
  PyRange,
  PyTuple,
  textOf,
  typeError,
  type Value,
  valueError,
} from "./values.ts";

const LONGEST_RANGE = 100_000;

/** `now` is the clock of strftime_now. */
export function globalFunctions(now: () => Date): Map<string, Value> {
  const functions: [string, (args: Arguments) => Value][] = [
    ["range", range],
    [
      "namespace",
      (args) => {
        const attributes = dictOf("namespace", args);
        for (const name of attributes.keys()) checkFieldName(name);
        return new Namespace(attributes);
      },
    ],
    ["cycler", ({ positional }) => cycler(positional)],
    ["joiner", (args) => joiner(bind("joiner", args, ["sep"])[0] ?? ", ")],
    [
      "lipsum",
      () => {
        throw new PyError("TemplateRuntimeError", "lipsum is not supported in chat templates");
      },
    ],
    [
      "raise_exception",
      (args) => {
        const [message] = bind("raise_exception", args, ["message"], 1);
        throw new LachesisError("template_error", `The chat template refuses the conversation: ${str(message!)}`, {
          details: { kind: "TemplateError", message: str(message!) },
        });
      },
    ],
    [
      "strftime_now",
      (args) => {
        const [format] = bind("strftime_now", args, ["format"], 1);
        return strftime(now(), textArgument("strftime()", format!));
      },
    ],
  ];
  const fromKeys = dictMethod(new PyDict(), "fromkeys")!;
  const dict = new PyObject(
    "TemplateDict",
    (name) => (name === "fromkeys" ? fromKeys : undefined),
    (args) => dictOf("dict", args),
  );
  // What `self` would give are the template's blocks, which chat templates have no use for.
  const self = new PyObject("TemplateReference", () => undefined);
  return new Map([
    ["dict", dict],
    ["self", self],
    ...functions.map(([name, call]): [string, Value] => [name, new PyFunction(name, call)]),
  ]);
}

/** @throws PyError for names that a namespace may not hold */
export function checkFieldName(name: Value): void {
  if (!isText(name) || !textOf(name).startsWith("_")) return;
  throw new PyError("SecurityError", `a namespace cannot hold the underscored name ${repr(name)}`);
}

function range(args: Arguments): Value {
  const [first, stop, step] = bind("range", args, ["start", "stop", "step"], 1);
  const by = step === undefined ? 1 : wholeNumber(step);
  if (by === 0) throw valueError("range() arg 3 must not be zero");
  const result =
    stop === undefined
      ? new PyRange(0, wholeNumber(first!), 1)
      : new PyRange(wholeNumber(first!), wholeNumber(stop), by);
  if (result.length > LONGEST_RANGE) {
    throw new PyError(
      "OverflowError",
      `Range too big. The sandbox blocks ranges larger than MAX_RANGE (${LONGEST_RANGE}).`,
    );
  }
  return result;
}

function dictOf(name: string, { positional, named }: Arguments): PyDict {
  if (positional.length > 1) throw typeError(`${name} expected at most 1 argument, got ${positional.length}`);
  const dict = new PyDict();
  const [source] = positional;
  if (source instanceof PyDict) for (const [key, value] of source.entries()) dict.set(key, value);
  else if (source !== undefined) {
    for (const [index, pair] of [...iterate(source)].entries()) {
      const items = [...iterate(pair)];
      if (items.length !== 2) {
        throw valueError(`dictionary update sequence element #${index} has length ${items.length}; 2 is required`);
      }
      dict.set(items[0]!, items[1]!);
    }
  }
  for (const [key, value] of named) dict.set(key, value);
  return dict;
}

function cycler(items: Value[]): Value {
  if (items.length === 0) throw typeError("at least one item has to be provided");
  let at = 0;
  const step = new PyFunction("next", () => items[at++ % items.length]!);
  const reset = new PyFunction("reset", () => {
    at = 0;
    return null;
  });
  return new PyObject("Cycler", (name) => {
    if (name === "next") return step;
    if (name === "reset") return reset;
    if (name === "current") return items[at % items.length]!;
    if (name === "pos") return at % items.length;
    return name === "items" ? new PyTuple(items) : undefined;
  });
}

function joiner(by: Value): Value {
  let used = false;
  return new PyObject(
    "Joiner",
    (name) => (name === "sep" ? by : name === "used" ? used : undefined),
    () => {
      if (used) return by;
      used = true;
      return "";
    },
  );
}
