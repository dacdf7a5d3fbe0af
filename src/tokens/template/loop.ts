/** The `loop` of a for statement. */
import { equals } from "./compare.ts";
import { PyError, PyFunction, PyObject, typeError, Undefined, type Value } from "./values.ts";

/**
 * `position.index` is the current pass. `recurse` renders the loop again over another value; null where the loop is
 * not `recursive`.
 */
export function loopObject(
  items: readonly Value[],
  position: { index: number },
  depth: number,
  recurse: ((value: Value) => Value) | null,
): PyObject {
  let last: readonly Value[] | null = null;
  const cycle = new PyFunction("cycle", ({ positional }) => {
    if (positional.length === 0) throw typeError("no items for cycling given");
    return positional[position.index % positional.length]!;
  });
  const changed = new PyFunction("changed", ({ positional }) => {
    const same =
      last !== null &&
      last.length === positional.length &&
      last.every((value, index) => equals(value, positional[index]!));
    last = positional;
    return !same;
  });
  const attribute = (name: string): Value | undefined => {
    const { index } = position;
    switch (name) {
      case "index":
        return index + 1;
      case "index0":
        return index;
      case "revindex":
        return items.length - index;
      case "revindex0":
        return items.length - index - 1;
      case "first":
        return index === 0;
      case "last":
        return index === items.length - 1;
      case "length":
        return items.length;
      case "depth":
        return depth + 1;
      case "depth0":
        return depth;
      case "previtem":
        return index > 0 ? items[index - 1] : new Undefined("there is no previous item");
      case "nextitem":
        return index + 1 < items.length ? items[index + 1] : new Undefined("there is no next item");
      case "cycle":
        return cycle;
      case "changed":
        return changed;
      default:
        return undefined;
    }
  };
  const call = recurse === null ? notRecursive : ({ positional }: { positional: Value[] }) => recurse(positional[0]!);
  return new PyObject("LoopContext", attribute, call, () => items.length);
}

function notRecursive(): never {
  throw new PyError("TypeError", "The loop must have the 'recursive' marker to be called recursively.");
}
