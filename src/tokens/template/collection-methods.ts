/** Methods and attributes of dict, list, tuple and the numbers, as far as they change nothing. */
import { equals } from "./compare.ts";
import { repr } from "./print.ts";
import { bind, wholeNumber } from "./signature.ts";
import {
  type Arguments,
  iterate,
  PyDict,
  PyError,
  PyFloat,
  PyFunction,
  type PyTuple,
  PyView,
  type Value,
  valueError,
} from "./values.ts";

const method = (name: string, call: (args: Arguments) => Value): PyFunction => new PyFunction(name, call);

export function dictMethod(dict: PyDict, name: string): PyFunction | undefined {
  switch (name) {
    case "get":
      return method(name, (args) => {
        const [key, fallback] = bind("get", withoutNamed("get", args), ["key", "default"], 1);
        return dict.get(key!) ?? fallback ?? null;
      });
    case "keys":
    case "values":
    case "items":
      return method(name, (args) => {
        bind(name, args, []);
        return new PyView(name, dict);
      });
    case "copy":
      return method(name, (args) => {
        bind(name, args, []);
        return PyDict.of(dict.entries());
      });
    case "fromkeys":
      return method(name, (args) => {
        const [keys, value] = bind("fromkeys", args, ["iterable", "value"], 1);
        return PyDict.of([...iterate(keys!)].map((key) => [key, value ?? null] as const));
      });
    default:
      return undefined;
  }
}

function withoutNamed(name: string, args: Arguments): Arguments {
  if (args.named.size > 0) throw new PyError("TypeError", `${name}() takes no keyword arguments`);
  return args;
}

export function listMethod(list: readonly Value[], name: string): PyFunction | undefined {
  if (name === "copy") {
    return method(name, (args) => {
      bind(name, args, []);
      return [...list];
    });
  }
  return sequenceMethod(list, name, "list");
}

export const tupleMethod = (tuple: PyTuple, name: string): PyFunction | undefined =>
  sequenceMethod(tuple.items, name, "tuple");

function sequenceMethod(items: readonly Value[], name: string, type: string): PyFunction | undefined {
  if (name === "count") {
    return method(name, (args) => {
      const [value] = bind(name, args, ["value"], 1);
      return items.filter((item) => equals(item, value!)).length;
    });
  }
  if (name === "index") {
    return method(name, (args) => {
      const [value, start, stop] = bind(name, args, ["value", "start", "stop"], 1);
      const clamp = (bound: Value | undefined, fallback: number): number => {
        if (bound === undefined) return fallback;
        const index = wholeNumber(bound);
        return Math.max(0, index < 0 ? index + items.length : index);
      };
      const end = Math.min(clamp(stop, items.length), items.length);
      for (let at = clamp(start, 0); at < end; at++) if (equals(items[at]!, value!)) return at;
      throw valueError(type === "list" ? `${repr(value!)} is not in list` : "tuple.index(x): x not in tuple");
    });
  }
  return undefined;
}

export function numberAttribute(value: number | bigint | boolean | PyFloat, name: string): Value | undefined {
  const float = value instanceof PyFloat;
  const plain = typeof value === "boolean" ? Number(value) : value;
  switch (name) {
    case "real":
      return plain;
    case "imag":
      return float ? new PyFloat(0) : 0;
    case "conjugate":
      return method(name, (args) => {
        bind(name, args, []);
        return plain;
      });
    case "is_integer":
      return float ? method(name, () => Number.isInteger(value.value)) : undefined;
    case "numerator":
      return float ? undefined : plain;
    case "denominator":
      return float ? undefined : 1;
    case "bit_length":
      if (float) return undefined;
      return method(name, () => {
        const digits = BigInt(value).toString(2).replace("-", "");
        return digits === "0" ? 0 : digits.length;
      });
    default:
      return undefined;
  }
}
