/**
 * Python's values, as chat templates see them, in JavaScript. None is null, str is string, bool is boolean, list is an
 * array, int is a whole number or, beyond 2^53, a bigint; everything else has a class here, floats among them, because
 * 1.0 and 1 print differently.
 */

/** An error that Python or jinja2 would have raised; `kind` is the exception's name. */
export class PyError extends Error {
  readonly kind: string;

  constructor(kind: string, message: string) {
    super(message);
    this.kind = kind;
  }
}

export const typeError = (message: string): PyError => new PyError("TypeError", message);
export const valueError = (message: string): PyError => new PyError("ValueError", message);

/** A Python float. Make one to give a template a float with a whole value: `new PyFloat(1)` prints 1.0. */
export class PyFloat {
  readonly value: number;

  constructor(value: number) {
    this.value = value;
  }
}

export class PyTuple {
  readonly items: readonly Value[];

  constructor(items: readonly Value[]) {
    this.items = items;
  }
}

/** A pair of `groupby`, which also has the names `grouper` and `list`. */
export class GroupTuple extends PyTuple {}

/**
 * What a missing name or attribute gives: prints as nothing, iterates as empty, refuses everything else. Attributes that
 * the sandbox hides give one too.
 */
export class Undefined {
  readonly message: string;
  readonly #hidden: boolean;

  constructor(message: string, hidden = false) {
    this.message = message;
    this.#hidden = hidden;
  }

  fail(): PyError {
    return new PyError(this.#hidden ? "SecurityError" : "UndefinedError", this.message);
  }
}

/** A dict: insertion order, keys compared as Python does (1, 1.0 and True are one key). */
export class PyDict {
  readonly #entries = new Map<unknown, [Value, Value]>();

  static of(entries: Iterable<readonly [Value, Value]>): PyDict {
    const dict = new PyDict();
    for (const [key, value] of entries) dict.set(key, value);
    return dict;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: Value): Value | undefined {
    return this.#entries.get(hashKey(key))?.[1];
  }

  has(key: Value): boolean {
    return this.#entries.has(hashKey(key));
  }

  set(key: Value, value: Value): void {
    const hashed = hashKey(key);
    const known = this.#entries.get(hashed);
    if (known === undefined) this.#entries.set(hashed, [key, value]);
    else known[1] = value;
  }

  entries(): IterableIterator<[Value, Value]> {
    return this.#entries.values();
  }

  keys(): Value[] {
    return [...this.#entries.values()].map(([key]) => key);
  }

  values(): Value[] {
    return [...this.#entries.values()].map(([, value]) => value);
  }
}

/** `dict.keys()`, `.values()` and `.items()`: sized and iterable again and again, but no sequence. */
export class PyView {
  readonly kind: "keys" | "values" | "items";
  readonly dict: PyDict;

  constructor(kind: "keys" | "values" | "items", dict: PyDict) {
    this.kind = kind;
    this.dict = dict;
  }

  items(): Value[] {
    if (this.kind === "keys") return this.dict.keys();
    if (this.kind === "values") return this.dict.values();
    return [...this.dict.entries()].map(([key, value]) => new PyTuple([key, value]));
  }
}

/** A generator or iterator: it has no length and can be gone through once. */
export class PyIterator {
  readonly typeName: string;
  readonly #source: Iterator<Value>;

  constructor(source: Iterable<Value>, typeName = "generator") {
    this.#source = source[Symbol.iterator]();
    this.typeName = typeName;
  }

  [Symbol.iterator](): Iterator<Value> {
    const source = this.#source;
    return { next: () => source.next() };
  }
}

export class PyRange {
  readonly start: number;
  readonly stop: number;
  readonly step: number;

  constructor(start: number, stop: number, step: number) {
    this.start = start;
    this.stop = stop;
    this.step = step;
  }

  get length(): number {
    return Math.max(0, Math.ceil((this.stop - this.start) / this.step));
  }

  items(): number[] {
    return Array.from({ length: this.length }, (_, index) => this.start + index * this.step);
  }
}

export class Namespace {
  readonly attributes: PyDict;

  constructor(attributes: PyDict) {
    this.attributes = attributes;
  }
}

/** Text that is marked as safe HTML (`safe`, `escape`): joined to other text, it escapes that. */
export class Markup {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

export interface Arguments {
  positional: Value[];
  named: Map<string, Value>;
}

/** Anything that can be called: methods, macros, globals. */
export class PyFunction {
  readonly name: string;
  readonly call: (args: Arguments) => Value;
  readonly attributes: ReadonlyMap<string, Value>;

  constructor(name: string, call: (args: Arguments) => Value, attributes: ReadonlyMap<string, Value> = new Map()) {
    this.name = name;
    this.call = call;
    this.attributes = attributes;
  }
}

/** An object of the engine with attributes, such as `loop`. */
export class PyObject {
  readonly typeName: string;
  readonly attribute: (name: string) => Value | undefined;
  readonly call: ((args: Arguments) => Value) | null;
  readonly length: (() => number) | null;

  constructor(
    typeName: string,
    attribute: (name: string) => Value | undefined,
    call: ((args: Arguments) => Value) | null = null,
    length: (() => number) | null = null,
  ) {
    this.typeName = typeName;
    this.attribute = attribute;
    this.call = call;
    this.length = length;
  }
}

export type Value =
  | null
  | boolean
  | number
  | bigint
  | string
  | PyFloat
  | PyTuple
  | Undefined
  | PyDict
  | PyView
  | PyIterator
  | PyRange
  | Namespace
  | Markup
  | PyFunction
  | PyObject
  | Value[];

/** What a key hashes to; throws TypeError for what Python cannot hash. */
function hashKey(key: Value): unknown {
  if (typeof key === "boolean") return key ? 1 : 0;
  if (typeof key === "string" || typeof key === "number" || key === null) return key;
  if (typeof key === "bigint") return key;
  if (key instanceof Markup) return key.text;
  if (key instanceof PyFloat) return key.value;
  if (key instanceof PyTuple) return `\0tuple ${key.items.map((item) => hashText(hashKey(item))).join("\0")}`;
  if (key instanceof Undefined) return Undefined;
  if (Array.isArray(key) || key instanceof PyDict) throw typeError(`unhashable type: '${typeName(key)}'`);
  return key;
}

const hashText = (hash: unknown): string => `${typeof hash} ${String(hash)}`;

/** The value's type as Python names it in messages. */
export function typeName(value: Value): string {
  if (value === null) return "NoneType";
  if (typeof value === "boolean") return "bool";
  if (typeof value === "number" || typeof value === "bigint") return "int";
  if (typeof value === "string") return "str";
  if (Array.isArray(value)) return "list";
  if (value instanceof PyFloat) return "float";
  if (value instanceof PyTuple) return "tuple";
  if (value instanceof PyDict) return "dict";
  if (value instanceof PyView) return `dict_${value.kind}`;
  if (value instanceof PyRange) return "range";
  if (value instanceof PyIterator || value instanceof PyObject) return value.typeName;
  return value instanceof PyFunction ? "function" : value.constructor.name;
}

/** True for int, float and bool. */
export function isNumber(value: Value): value is number | bigint | boolean | PyFloat {
  return isInt(value) || value instanceof PyFloat;
}

/** True for int and bool. */
export function isInt(value: Value): value is number | bigint | boolean {
  return typeof value === "number" || typeof value === "bigint" || typeof value === "boolean";
}

/** True for str, marked-safe text included. */
export function isText(value: Value): value is string | Markup {
  return typeof value === "string" || value instanceof Markup;
}

export const textOf = (value: string | Markup): string => (typeof value === "string" ? value : value.text);

export function truthy(value: Value): boolean {
  if (value instanceof Undefined) return false;
  if (value === null || typeof value === "boolean") return value === true;
  if (typeof value === "number") return value !== 0;
  if (typeof value === "bigint") return value !== 0n;
  if (isText(value)) return textOf(value) !== "";
  if (value instanceof PyFloat) return value.value !== 0;
  if (Array.isArray(value) || value instanceof PyRange) return value.length > 0;
  if (value instanceof PyTuple) return value.items.length > 0;
  if (value instanceof PyDict) return value.size > 0;
  if (value instanceof PyView) return value.dict.size > 0;
  if (value instanceof PyObject && value.length !== null) return value.length() > 0;
  return true;
}

/** The value's items as Python's `iter` gives them; TypeError where it has none. */
export function iterate(value: Value): Iterable<Value> {
  if (Array.isArray(value)) return value;
  if (isText(value)) return textOf(value);
  if (value instanceof PyTuple) return value.items;
  if (value instanceof PyDict) return value.keys();
  if (value instanceof PyView || value instanceof PyRange) return value.items();
  if (value instanceof PyIterator) return value;
  if (value instanceof Undefined) return [];
  throw typeError(`'${typeName(value)}' object is not iterable`);
}

/** Python's `len`. */
export function lengthOf(value: Value): number {
  if (isText(value)) return codePointLength(textOf(value));
  if (Array.isArray(value) || value instanceof PyRange) return value.length;
  if (value instanceof PyTuple) return value.items.length;
  if (value instanceof PyDict) return value.size;
  if (value instanceof PyView) return value.dict.size;
  if (value instanceof Undefined) return 0;
  if (value instanceof PyObject && value.length !== null) return value.length();
  throw typeError(`object of type '${typeName(value)}' has no len()`);
}

const SURROGATE = /[\ud800-\udfff]/;

/** Number of code points, as Python counts. */
export function codePointLength(text: string): number {
  return SURROGATE.test(text) ? [...text].length : text.length;
}

/** The text's code points; the text itself where each is one unit, so that indexing is free. */
export function codePoints(text: string): string | string[] {
  return SURROGATE.test(text) ? [...text] : text;
}

/** A bigint as a number where a number holds it exactly. */
export function normalInt(value: bigint): number | bigint {
  return value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;
}
