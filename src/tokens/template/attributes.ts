/**
 * `object.name` and `object[key]` as jinja2's immutable sandbox has them: an attribute (a method) comes before a key for
 * the dot, a key before an attribute for the brackets; names with an underscore and methods that change something are hidden.
 */
import { dictMethod, listMethod, numberAttribute, tupleMethod } from "./collection-methods.ts";
import { escapeHtml } from "./html.ts";
import { repr } from "./print.ts";
import { bind } from "./signature.ts";
import { indexOf } from "./slices.ts";
import { formatText } from "./str-format.ts";
import { strMethod } from "./str-methods.ts";
import {
  type Arguments,
  GroupTuple,
  isNumber,
  isText,
  iterate,
  Markup,
  Namespace,
  PyDict,
  PyError,
  PyFunction,
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

const MUTATORS: Record<string, ReadonlySet<string>> = {
  list: new Set(["append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove"]),
  dict: new Set(["clear", "pop", "popitem", "setdefault", "update"]),
};

/** `object.name` */
export function getAttribute(object: Value, name: string): Value {
  if (object instanceof Undefined) {
    if (isHidden(name)) return hidden(object, name);
    throw object.fail();
  }
  const attribute = attributeOf(object, name);
  if (attribute !== undefined) return attribute;
  return itemOf(object, name) ?? missing(object, name);
}

/** `object[key]` */
export function getItem(object: Value, key: Value): Value {
  if (object instanceof Undefined) throw object.fail();
  const item = itemOf(object, key);
  if (item !== undefined) return item;
  const attribute = isText(key) ? attributeOf(object, textOf(key)) : undefined;
  return attribute ?? missing(object, key);
}

/** The item, or undefined where Python raises TypeError or LookupError. */
function itemOf(object: Value, key: Value): Value | undefined {
  try {
    return object instanceof PyDict ? object.get(key) : indexOf(object, key);
  } catch (error) {
    if (error instanceof PyError && (error.kind === "TypeError" || error.kind === "IndexError")) return undefined;
    throw error;
  }
}

function missing(object: Value, key: Value): Undefined {
  const shown = repr(key);
  if (isText(key)) return new Undefined(`'${typeName(object)} object' has no attribute ${shown}`);
  return new Undefined(`${typeName(object)} object has no element ${shown}`);
}

function hidden(object: Value, name: string): Undefined {
  const what = `access to attribute '${name}' of '${typeName(object)}' object is unsafe.`;
  return new Undefined(what, true);
}

/** The attribute, or undefined where there is none of that name. */
function attributeOf(object: Value, name: string): Value | undefined {
  if (name.startsWith("_")) return isHidden(name) ? hidden(object, name) : undefined;
  if (MUTATORS[typeName(object)]?.has(name)) return hidden(object, name);
  if (isText(object)) {
    const method = formatMethod(textOf(object), name) ?? strMethod(textOf(object), name);
    if (method === undefined || typeof object === "string") return method;
    return new PyFunction(name, (args) => marked(method.call(escapedArguments(name, args))));
  }
  if (object instanceof PyDict) return dictMethod(object, name);
  if (Array.isArray(object)) return listMethod(object, name);
  if (object instanceof GroupTuple && name === "grouper") return object.items[0];
  if (object instanceof GroupTuple && name === "list") return object.items[1];
  if (object instanceof PyTuple) return tupleMethod(object, name);
  if (object instanceof Namespace) return object.attributes.get(name);
  if (object instanceof PyObject) return object.attribute(name);
  if (object instanceof PyFunction) return object.attributes.get(name);
  if (object instanceof PyRange && (name === "start" || name === "stop" || name === "step")) return object[name];
  if (object instanceof PyView && name === "mapping") return object.dict;
  return isNumber(object) ? numberAttribute(object, name) : undefined;
}

/** Safe text stays safe through its methods. */
function marked(value: Value): Value {
  if (typeof value === "string") return new Markup(value);
  if (Array.isArray(value)) return value.map(marked);
  return value instanceof PyTuple ? new PyTuple(value.items.map(marked)) : value;
}

/** What these methods of safe text put in is escaped first. */
function escapedArguments(name: string, args: Arguments): Arguments {
  const safe = (value: Value): Value => (typeof value === "string" ? escapeHtml(value) : value);
  const { positional, named } = args;
  if (name === "replace")
    return { positional: positional.map((value, index) => (index === 1 ? safe(value) : value)), named };
  if (name === "join") return { positional: positional.map((items) => [...iterate(items)].map(safe)), named };
  return args;
}

/** `str.format` looks attributes up, and so stands here and not with the other methods. */
function formatMethod(text: string, name: string): PyFunction | undefined {
  const access = { attribute: getAttribute, item: getItem };
  if (name === "format") return new PyFunction(name, (args) => formatText(text, args, access));
  if (name !== "format_map") return undefined;
  return new PyFunction(name, (args) => {
    const [map] = bind("format_map", args, ["mapping"], 1);
    if (!(map instanceof PyDict)) throw typeError("format_map() argument must be a dict");
    const named = new Map([...map.entries()].map(([key, value]) => [String(key), value] as const));
    return formatText(text, { positional: [], named }, access);
  });
}

/** The attributes with underscores that Python's objects have; other such names are just not there. */
const UNDERSCORED = new Set(
  (
    "class doc init new repr str hash eq ne lt le gt ge getattribute setattr delattr dir format reduce reduce_ex sizeof " +
    "subclasshook init_subclass module len iter contains getitem bool call dict"
  )
    .split(" ")
    .map((name) => `__${name}__`),
);

const isHidden = (name: string): boolean => UNDERSCORED.has(name);
