/** Python's indices and slices: negative ones count from the end, and those of a str count code points. */
import {
  codePoints,
  isInt,
  isText,
  lengthOf,
  Markup,
  PyDict,
  PyError,
  PyRange,
  PyTuple,
  textOf,
  typeError,
  typeName,
  Undefined,
  type Value,
  valueError,
} from "./values.ts";

export class Slice {
  readonly start: Value;
  readonly stop: Value;
  readonly step: Value;

  constructor(start: Value, stop: Value, step: Value) {
    this.start = start;
    this.stop = stop;
    this.step = step;
  }
}

/** `object[slice]`; unlike other subscripts, jinja2 leaves it to Python, which raises TypeError. */
export function sliceOf(object: Value, slice: Slice): Value {
  if (object instanceof Undefined) throw object.fail();
  if (isText(object)) {
    const chars = codePoints(textOf(object));
    const text = indices(slice, chars.length)
      .map((index) => chars[index]!)
      .join("");
    return object instanceof Markup ? new Markup(text) : text;
  }
  if (Array.isArray(object)) return indices(slice, object.length).map((index) => object[index]!);
  if (object instanceof PyTuple) {
    return new PyTuple(indices(slice, object.items.length).map((index) => object.items[index]!));
  }
  if (object instanceof PyRange) {
    const step = slice.step === null ? 1 : bound(slice.step);
    const [start, stop] = bounds(slice, object.length);
    return new PyRange(object.start + start * object.step, object.start + stop * object.step, object.step * step);
  }
  if (object instanceof PyDict) throw typeError("unhashable type: 'slice'");
  throw typeError(`'${typeName(object)}' object is not subscriptable`);
}

/** Python's `slice.indices`. */
function bounds(slice: Slice, length: number): [start: number, stop: number, step: number] {
  const step = slice.step === null ? 1 : bound(slice.step);
  if (step === 0) throw valueError("slice step cannot be zero");
  const clamp = (value: Value, fallback: number): number => {
    if (value === null) return fallback;
    let index = bound(value);
    if (index < 0) index += length;
    return step > 0 ? Math.min(Math.max(index, 0), length) : Math.min(Math.max(index, -1), length - 1);
  };
  const start = clamp(slice.start, step > 0 ? 0 : length - 1);
  return [start, clamp(slice.stop, step > 0 ? length : -1), step];
}

function indices(slice: Slice, length: number): number[] {
  const [start, stop, step] = bounds(slice, length);
  const result: number[] = [];
  for (let index = start; step > 0 ? index < stop : index > stop; index += step) result.push(index);
  return result;
}

function bound(value: Value): number {
  if (!isInt(value)) throw typeError("slice indices must be integers or None or have an __index__ method");
  return Number(value);
}

/** `sequence[index]`; IndexError outside. undefined where the value is no sequence. */
export function indexOf(object: Value, key: Value): Value | undefined {
  if (!isText(object) && !Array.isArray(object) && !(object instanceof PyTuple) && !(object instanceof PyRange)) {
    return undefined;
  }
  if (!isInt(key)) throw typeError(`${typeName(object)} indices must be integers, not '${typeName(key)}'`);
  const length = lengthOf(object);
  const index = Number(key) < 0 ? Number(key) + length : Number(key);
  if (index < 0 || index >= length) throw new PyError("IndexError", `${typeName(object)} index out of range`);
  if (Array.isArray(object)) return object[index];
  if (object instanceof PyTuple) return object.items[index];
  if (object instanceof PyRange) return object.start + index * object.step;
  const char = codePoints(textOf(object))[index]!;
  return object instanceof Markup ? new Markup(char) : char;
}
