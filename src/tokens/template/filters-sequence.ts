/** Filters over lists, dicts and other things that can be gone through. */
import { arithmetic } from "./arithmetic.ts";
import { getAttribute, getItem } from "./attributes.ts";
import { compareTexts, equals, ordered } from "./compare.ts";
import type { Filter } from "./filters.ts";
import { repr, str } from "./print.ts";
import { bind, wholeNumber } from "./signature.ts";
import { indexOf } from "./slices.ts";
import { applyTest } from "./tests.ts";
import {
  type Arguments,
  GroupTuple,
  isInt,
  isText,
  iterate,
  lengthOf,
  Markup,
  PyDict,
  PyError,
  PyIterator,
  PyRange,
  PyTuple,
  PyView,
  textOf,
  truthy,
  typeError,
  typeName,
  Undefined,
  type Value,
} from "./values.ts";

type Apply = (name: string, value: Value, args: Arguments) => Value;

const length: Filter = (value, args) => {
  bind("length", args, []);
  return lengthOf(value);
};

const fallback: Filter = (value, args) => {
  const [instead, boolean] = bind("default", args, ["default_value", "boolean"]);
  const replace = value instanceof Undefined || (truthy(boolean ?? false) && !truthy(value));
  return replace ? (instead ?? "") : value;
};

export function sequenceFilters(apply: Apply): Record<string, Filter> {
  return {
    length,
    count: length,
    default: fallback,
    d: fallback,
    list: (value, args) => {
      bind("list", args, []);
      return [...iterate(value)];
    },
    items: (value, args) => {
      bind("items", args, []);
      return new PyIterator(itemPairs(value));
    },
    first: (value, args) => {
      bind("first", args, []);
      for (const item of iterate(value)) return item;
      return new Undefined("No first item, sequence was empty.");
    },
    last: (value, args) => {
      bind("last", args, []);
      return reversed(value)[0] ?? emptyLast(value);
    },
    reverse: (value, args) => {
      bind("reverse", args, []);
      if (isText(value)) return [...textOf(value)].reverse().join("");
      if (value instanceof Undefined) return new PyIterator([]);
      return new PyIterator(
        Array.isArray(value) || isReversible(value) ? reversed(value) : [...iterate(value)].reverse(),
      );
    },
    join,
    sort: (value, args) => {
      const [reverse, cased, attribute] = bind("sort", args, ["reverse", "case_sensitive", "attribute"]);
      const post = truthy(cased ?? false) ? same : ignoreCase;
      const names: Value[] = isText(attribute ?? null) ? textOf(attribute as string).split(",") : [attribute ?? null];
      const getters = names.map((name) => attributeGetter(name, post));
      return sorted([...iterate(value)], (item) => getters.map((getter) => getter(item)), truthy(reverse ?? false));
    },
    dictsort: (value, args) => {
      const [cased, by, reverse] = bind("dictsort", args, ["case_sensitive", "by", "reverse"]);
      const position = by === undefined || by === "key" ? 0 : by === "value" ? 1 : -1;
      if (position < 0) throw new PyError("FilterArgumentError", 'You can only sort by either "key" or "value"');
      if (value instanceof Undefined) throw value.fail();
      if (!(value instanceof PyDict))
        throw new PyError("AttributeError", `'${typeName(value)}' object has no attribute 'items'`);
      const post = truthy(cased ?? false) ? same : ignoreCase;
      const pairs = new PyView("items", value).items();
      return sorted(pairs, (pair) => post((pair as PyTuple).items[position]!), truthy(reverse ?? false));
    },
    unique: (value, args) => {
      const [cased, attribute] = bind("unique", args, ["case_sensitive", "attribute"]);
      const getter = attributeGetter(attribute ?? null, truthy(cased ?? false) ? same : ignoreCase);
      return new PyIterator(unique(value, getter));
    },
    min: (value, args) => extreme("min", value, args),
    max: (value, args) => extreme("max", value, args),
    sum: (value, args) => {
      const [attribute, start] = bind("sum", args, ["attribute", "start"]);
      const getter = (attribute ?? null) === null ? same : attributeGetter(attribute!, same);
      if (isText(start ?? 0)) throw typeError("sum() can't sum strings [use ''.join(seq) instead]");
      let total: Value = start ?? 0;
      for (const item of iterate(value)) total = arithmetic("+", total, getter(item));
      return total;
    },
    map: (value, args) => new PyIterator(mapped(value, args, apply)),
    select: (value, args) => new PyIterator(selected(value, args, false, true)),
    reject: (value, args) => new PyIterator(selected(value, args, false, false)),
    selectattr: (value, args) => new PyIterator(selected(value, args, true, true)),
    rejectattr: (value, args) => new PyIterator(selected(value, args, true, false)),
    attr: (value, args) => {
      const [name] = bind("attr", args, ["name"], 1);
      if (!isText(name!)) throw typeError("attribute name must be string");
      // Unlike the dot, this takes attributes only: a dict's keys are none.
      if (value instanceof PyDict && value.has(name) && !DICT_METHODS.has(textOf(name))) {
        return new Undefined(`'dict object' has no attribute ${repr(name)}`);
      }
      return getAttribute(value, textOf(name));
    },
    batch: (value, args) => {
      const [count, fill] = bind("batch", args, ["linecount", "fill_with"], 1);
      return new PyIterator(batches(value, wholeNumber(count!), fill ?? null));
    },
    slice: (value, args) => {
      const [count, fill] = bind("slice", args, ["slices", "fill_with"], 1);
      return new PyIterator(slices([...iterate(value)], wholeNumber(count!), fill ?? null));
    },
    groupby,
    random: (value, args) => {
      bind("random", args, []);
      const count = lengthOf(value);
      if (count === 0) return new Undefined("No random item, sequence was empty.");
      return indexOf(value, Math.floor(Math.random() * count)) ?? null;
    },
  };
}

/** A generator, so that a wrong value raises only when it is gone through. */
function* itemPairs(value: Value): Iterable<Value> {
  if (value instanceof Undefined) return;
  if (!(value instanceof PyDict)) throw typeError("Can only get item pairs from a mapping.");
  yield* new PyView("items", value).items();
}

const DICT_METHODS = new Set([
  "get",
  "keys",
  "values",
  "items",
  "copy",
  "fromkeys",
  "pop",
  "popitem",
  "clear",
  "update",
  "setdefault",
]);

const same = (value: Value): Value => value;
const ignoreCase = (value: Value): Value => (isText(value) ? textOf(value).toLowerCase() : value);

/** Follows a dotted path, whose whole numbers are indices. */
function attributeGetter(
  attribute: Value,
  post: (value: Value) => Value,
  instead: Value = null,
): (item: Value) => Value {
  let parts: Value[] = [];
  if (isText(attribute))
    parts = textOf(attribute)
      .split(".")
      .map((part) => (/^\d+$/.test(part) ? Number(part) : part));
  else if (isInt(attribute)) parts = [attribute];
  else if (attribute !== null) throw typeError(`an attribute cannot be a ${typeName(attribute)}`);
  return (item) => {
    let value = item;
    for (const part of parts) {
      value = getItem(value, part);
      if (instead !== null && value instanceof Undefined) value = instead;
    }
    return post(value);
  };
}

const isReversible = (value: Value): boolean =>
  isText(value) ||
  Array.isArray(value) ||
  value instanceof PyTuple ||
  value instanceof PyDict ||
  value instanceof PyView ||
  value instanceof PyRange;

function reversed(value: Value): Value[] {
  if (value instanceof Undefined) return [];
  if (!isReversible(value)) {
    if (value instanceof PyIterator || value instanceof Markup) {
      throw typeError(`'${typeName(value)}' object is not reversible`);
    }
    iterate(value);
    throw typeError(`'${typeName(value)}' object is not reversible`);
  }
  return [...iterate(value)].reverse();
}

function emptyLast(value: Value): Undefined {
  if (value instanceof PyIterator) throw typeError("'generator' object is not reversible");
  return new Undefined("No last item, sequence was empty.");
}

const join: Filter = (value, args) => {
  const [by, attribute] = bind("join", args, ["d", "attribute"]);
  const getter = (attribute ?? null) === null ? same : attributeGetter(attribute!, same);
  return [...iterate(value)].map((item) => str(getter(item))).join(by === undefined ? "" : str(by));
};

/** A stable sort by key; keys that Python cannot order raise TypeError. */
function sorted(items: Value[], key: (item: Value) => Value, reverse: boolean): Value[] {
  const keyed = items.map((item): [Value, Value] => [key(item), item]);
  const compare = (a: Value, b: Value): number => {
    if (typeof a === "string" && typeof b === "string") return compareTexts(a, b);
    if (ordered(a, "<", b)) return -1;
    return ordered(b, "<", a) ? 1 : 0;
  };
  keyed.sort(([a], [b]) => (reverse ? compare(b, a) : compare(a, b)));
  return keyed.map(([, item]) => item);
}

function* unique(value: Value, getter: (item: Value) => Value): Iterable<Value> {
  const seen = new PyDict();
  for (const item of iterate(value)) {
    const key = getter(item);
    if (seen.has(key)) continue;
    seen.set(key, true);
    yield item;
  }
}

function extreme(which: "min" | "max", value: Value, args: Arguments): Value {
  const [cased, attribute] = bind(which, args, ["case_sensitive", "attribute"]);
  const getter = attributeGetter(attribute ?? null, truthy(cased ?? false) ? same : ignoreCase);
  let best: Value | undefined;
  let bestKey: Value = null;
  for (const item of iterate(value)) {
    const key = getter(item);
    if (best === undefined || (which === "min" ? ordered(key, "<", bestKey) : ordered(key, ">", bestKey))) {
      best = item;
      bestKey = key;
    }
  }
  return best === undefined ? new Undefined("No aggregated item, sequence was empty.") : best;
}

function* mapped(value: Value, args: Arguments, apply: Apply): Iterable<Value> {
  if (!truthy(value)) return;
  const change = mapFunction(args, apply);
  for (const item of iterate(value)) yield change(item);
}

function mapFunction({ positional, named }: Arguments, apply: Apply): (item: Value) => Value {
  if (positional.length === 0 && named.has("attribute")) {
    for (const name of named.keys()) {
      if (name === "attribute" || name === "default") continue;
      throw new PyError("FilterArgumentError", `Unexpected keyword argument '${name}'`);
    }
    return attributeGetter(named.get("attribute")!, same, named.get("default") ?? null);
  }
  const [name, ...rest] = positional;
  if (name === undefined) throw new PyError("FilterArgumentError", "map requires a filter argument");
  return (item) => apply(str(name), item, { positional: rest, named });
}

function* selected(
  value: Value,
  { positional, named }: Arguments,
  byAttribute: boolean,
  keep: boolean,
): Iterable<Value> {
  if (!truthy(value)) return;
  const rest = [...positional];
  let getter = same;
  if (byAttribute) {
    const attribute = rest.shift();
    if (attribute === undefined) throw new PyError("FilterArgumentError", "Missing parameter for attribute name");
    getter = attributeGetter(attribute, same);
  }
  const test = rest.shift();
  for (const item of iterate(value)) {
    const seen = getter(item);
    const holds = test === undefined ? truthy(seen) : truthy(applyTest(str(test), seen, { positional: rest, named }));
    if (holds === keep) yield item;
  }
}

function* batches(value: Value, count: number, fill: Value): Iterable<Value> {
  let batch: Value[] = [];
  for (const item of iterate(value)) {
    if (batch.length === count) {
      yield batch;
      batch = [];
    }
    batch.push(item);
  }
  if (batch.length === 0) return;
  if (fill !== null) while (batch.length < count) batch.push(fill);
  yield batch;
}

function* slices(items: Value[], count: number, fill: Value): Iterable<Value> {
  if (count === 0) throw new PyError("ZeroDivisionError", "integer division or modulo by zero");
  const each = Math.floor(items.length / count);
  const longer = items.length % count;
  let offset = 0;
  for (let number = 0; number < count; number++) {
    const start = offset + number * each;
    if (number < longer) offset++;
    const part = items.slice(start, offset + (number + 1) * each);
    if (fill !== null && number >= longer) part.push(fill);
    yield part;
  }
}

const groupby: Filter = (value, args) => {
  const [attribute, instead, cased] = bind("groupby", args, ["attribute", "default", "case_sensitive"], 1);
  const getter = attributeGetter(attribute!, truthy(cased ?? false) ? same : ignoreCase, instead ?? null);
  const real = attributeGetter(attribute!, same, instead ?? null);
  const groups: { key: Value; items: Value[] }[] = [];
  for (const item of sorted([...iterate(value)], getter, false)) {
    const key = getter(item);
    const last = groups.at(-1);
    if (last !== undefined && equals(last.key, key)) last.items.push(item);
    else groups.push({ key, items: [item] });
  }
  return groups.map(({ items }) => new GroupTuple([real(items[0]!), items]));
};
