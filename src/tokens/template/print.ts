/** Python's `str` and `repr`. */
import { compareTexts } from "./compare.ts";
import {
  codePoints,
  Markup,
  Namespace,
  PyDict,
  PyFloat,
  PyFunction,
  PyRange,
  PyTuple,
  PyView,
  typeName,
  Undefined,
  type Value,
} from "./values.ts";

/** What `{{ value }}` prints. */
export function str(value: Value): string {
  if (typeof value === "string") return value;
  if (value instanceof Markup) return value.text;
  if (value instanceof Undefined) return "";
  return repr(value);
}

export function repr(value: Value): string {
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "number" || typeof value === "bigint") return String(value);
  if (typeof value === "string") return textRepr(value);
  if (value instanceof PyFloat) return floatRepr(value.value);
  if (Array.isArray(value)) return `[${value.map(repr).join(", ")}]`;
  if (value instanceof PyTuple) {
    return value.items.length === 1 ? `(${repr(value.items[0]!)},)` : `(${value.items.map(repr).join(", ")})`;
  }
  if (value instanceof PyDict) return dictRepr(value);
  if (value instanceof PyView) return `dict_${value.kind}([${value.items().map(repr).join(", ")}])`;
  if (value instanceof PyRange) {
    return value.step === 1
      ? `range(${value.start}, ${value.stop})`
      : `range(${value.start}, ${value.stop}, ${value.step})`;
  }
  if (value instanceof Undefined) return "Undefined";
  if (value instanceof Markup) return `Markup(${textRepr(value.text)})`;
  if (value instanceof Namespace) return `<Namespace ${dictRepr(value.attributes)}>`;
  if (value instanceof PyFunction) return `<function ${value.name}>`;
  return `<${typeName(value)} object>`;
}

const dictRepr = (dict: PyDict): string =>
  `{${[...dict.entries()].map(([key, value]) => `${repr(key)}: ${repr(value)}`).join(", ")}}`;

/** The shortest digits that read back, in Python's notation: exponents below 1e-4 and from 1e16 on. */
export function floatRepr(value: number): string {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  if (Object.is(value, -0)) return "-0.0";
  if (value === 0) return "0.0";
  const [mantissa, exponentText] = value.toExponential().split("e") as [string, string];
  const exponent = Number(exponentText);
  if (exponent < -4 || exponent >= 16) {
    const digits = String(Math.abs(exponent)).padStart(2, "0");
    return `${mantissa}e${exponent < 0 ? "-" : "+"}${digits}`;
  }
  if (exponent < 0) {
    const sign = mantissa.startsWith("-") ? "-" : "";
    return `${sign}0.${"0".repeat(-exponent - 1)}${mantissa.replace(/[-.]/g, "")}`;
  }
  const text = String(value);
  return text.includes(".") ? text : `${text}.0`;
}

/** `pprint`'s form: `repr` with the keys of dicts sorted. */
export function sortedRepr(value: Value): string {
  if (Array.isArray(value)) return `[${value.map(sortedRepr).join(", ")}]`;
  if (!(value instanceof PyDict)) return repr(value);
  const entries = [...value.entries()].sort(([a], [b]) => {
    const [left, right] = [a, b].map((key) => (typeof key === "string" ? key : repr(key))) as [string, string];
    return compareTexts(left, right);
  });
  return `{${entries.map(([key, item]) => `${repr(key)}: ${sortedRepr(item)}`).join(", ")}}`;
}

const ESCAPES: Record<string, string> = { "\n": "\\n", "\r": "\\r", "\t": "\\t", "\\": "\\\\" };
/** What Python's isprintable refuses: categories C and Z, the space apart. */
const UNPRINTABLE = /[\p{C}\p{Z}]/v;

function textRepr(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  let result = quote;
  for (const char of codePoints(text)) {
    if (char === quote) result += `\\${char}`;
    else if (char in ESCAPES) result += ESCAPES[char];
    else if (char !== " " && UNPRINTABLE.test(char)) result += escapedCode(char.codePointAt(0)!);
    else result += char;
  }
  return result + quote;
}

/** `repr` with everything outside ASCII escaped. */
export function ascii(value: Value): string {
  let result = "";
  for (const char of repr(value)) result += char < "\x80" ? char : escapedCode(char.codePointAt(0)!);
  return result;
}

function escapedCode(code: number): string {
  if (code < 0x100) return `\\x${code.toString(16).padStart(2, "0")}`;
  return code < 0x10000 ? `\\u${code.toString(16).padStart(4, "0")}` : `\\U${code.toString(16).padStart(8, "0")}`;
}
