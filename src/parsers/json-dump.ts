/**
 * Prints a value as Python's `json.dumps(value, ensure_ascii=False)` does, byte for byte: `", "` and `": "` between
 * elements, every character but controls, quote and backslash as it is, floats by Python's `repr`.
 */
import { floatRepr, type PyMap, type PyValue } from "./python-value.ts";

const SHORT_ESCAPES: Record<string, string> = {
  '"': '\\"',
  "\\": "\\\\",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  "\b": "\\b",
  "\f": "\\f",
};

const hex4 = (code: number): string => `\\u${code.toString(16).padStart(4, "0")}`;

/** A string with its quotes. `ascii` escapes everything beyond DEL, as Python's default does. */
export function dumpString(text: string, ascii = false): string {
  const escaped = text.replace(/["\\\u0000-\u001f]/g, (char) => SHORT_ESCAPES[char] ?? hex4(char.charCodeAt(0)));
  return `"${ascii ? escaped.replace(/[\u007f-\uffff]/g, (char) => (char === "\u007f" ? char : hex4(char.charCodeAt(0)))) : escaped}"`;
}

/**
 * The JSON text of a value.
 * @example
 * dumpJson(new Map([["n", 1.0]])) // '{"n": 1.0}'
 */
export function dumpJson(value: PyValue, ascii = false): string {
  if (value === null) return "null";
  switch (typeof value) {
    case "string":
      return dumpString(value, ascii);
    case "number":
      return floatRepr(value);
    case "bigint":
    case "boolean":
      return String(value);
  }
  if (Array.isArray(value)) return `[${value.map((item) => dumpJson(item, ascii)).join(", ")}]`;
  return `{${[...value].map(([key, item]) => `${dumpString(key, ascii)}: ${dumpJson(item, ascii)}`).join(", ")}}`;
}

/** The JSON text of named values, an object's. */
export function dumpMap(entries: Iterable<[string, PyValue]>): string {
  return dumpJson(new Map(entries) as PyMap);
}
