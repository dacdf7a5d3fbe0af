/** `tojson` as transformers defines it: json.dumps with ensure_ascii=False and no escaping for HTML. */
import { compareTexts, ordered } from "./compare.ts";
import { floatRepr, str } from "./print.ts";
import { bind } from "./signature.ts";
import {
  type Arguments,
  isInt,
  isText,
  iterate,
  PyDict,
  PyFloat,
  PyTuple,
  textOf,
  truthy,
  typeError,
  typeName,
  type Value,
  valueError,
} from "./values.ts";

interface JsonStyle {
  ascii: boolean;
  /** null: all on one line. */
  indent: string | null;
  itemSeparator: string;
  keySeparator: string;
  sortKeys: boolean;
}

export function toJsonFilter(value: Value, args: Arguments): string {
  const names = ["ensure_ascii", "indent", "separators", "sort_keys"];
  const [ascii, indent, separators, sortKeys] = bind("tojson", args, names);
  const style: JsonStyle = {
    ascii: truthy(ascii ?? false),
    indent: readIndent(indent ?? null),
    itemSeparator: (indent ?? null) === null ? ", " : ",",
    keySeparator: ": ",
    sortKeys: truthy(sortKeys ?? false),
  };
  if ((separators ?? null) !== null) {
    const pair = [...iterate(separators!)];
    if (pair.length !== 2) throw valueError(`not enough values to unpack (expected 2, got ${pair.length})`);
    [style.itemSeparator, style.keySeparator] = pair.map(str) as [string, string];
  }
  return dump(value, style, 0);
}

function readIndent(indent: Value): string | null {
  if (indent === null) return null;
  if (isText(indent)) return textOf(indent);
  if (!isInt(indent)) throw typeError(`can't multiply sequence by non-int of type '${typeName(indent)}'`);
  return " ".repeat(Math.max(0, Number(indent)));
}

/** Deeper data than this is refused, as Python's recursion limit refuses it. */
const DEEPEST = 900;

function dump(value: Value, style: JsonStyle, depth: number): string {
  if (depth > DEEPEST) throw valueError("the data is nested too deeply");
  if (value === null) return "null";
  if (typeof value === "boolean") return value ? "true" : "false";
  if (isInt(value)) return String(value);
  if (value instanceof PyFloat) return jsonFloat(value.value);
  if (isText(value)) return jsonText(textOf(value), style.ascii);
  if (Array.isArray(value) || value instanceof PyTuple) {
    const items = Array.isArray(value) ? value : value.items;
    return wrapped(
      "[",
      items.map((item) => dump(item, style, depth + 1)),
      "]",
      style,
      depth,
    );
  }
  if (value instanceof PyDict) {
    const entries = [...value.entries()];
    if (style.sortKeys) entries.sort(([a], [b]) => compareKeys(a, b));
    const lines = entries.map(
      ([key, item]) => jsonText(keyText(key), style.ascii) + style.keySeparator + dump(item, style, depth + 1),
    );
    return wrapped("{", lines, "}", style, depth);
  }
  throw typeError(`Object of type ${typeName(value)} is not JSON serializable`);
}

function compareKeys(a: Value, b: Value): number {
  if (isText(a) && isText(b)) return compareTexts(textOf(a), textOf(b));
  return ordered(a, "<", b) ? -1 : 1;
}

function keyText(key: Value): string {
  if (isText(key)) return textOf(key);
  if (key === null) return "null";
  if (typeof key === "boolean") return key ? "true" : "false";
  if (isInt(key)) return String(key);
  if (key instanceof PyFloat) return jsonFloat(key.value);
  throw typeError(`keys must be str, int, float, bool or None, not ${typeName(key)}`);
}

function wrapped(open: string, items: string[], close: string, style: JsonStyle, depth: number): string {
  if (items.length === 0) return open + close;
  if (style.indent === null) return open + items.join(style.itemSeparator) + close;
  const inner = `\n${style.indent.repeat(depth + 1)}`;
  return `${open}${inner}${items.join(style.itemSeparator + inner)}\n${style.indent.repeat(depth)}${close}`;
}

function jsonFloat(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "Infinity" : "-Infinity";
  return floatRepr(value);
}

const SHORT: Record<string, string> = {
  '"': '\\"',
  "\\": "\\\\",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  "\f": "\\f",
  "\b": "\\b",
};

function jsonText(text: string, ascii: boolean): string {
  const pattern = ascii ? /["\\]|[^ -~]/g : /["\\\x00-\x1f]/g;
  return `"${text.replace(pattern, (char) => SHORT[char] ?? `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`)}"`;
}
