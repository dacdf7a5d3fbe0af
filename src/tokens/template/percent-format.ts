/** `text % values`. */
import { formatValue } from "./format-spec.ts";
import { escapeHtml } from "./html.ts";
import { ascii, repr, str } from "./print.ts";
import {
  codePointLength,
  isInt,
  isNumber,
  isText,
  Markup,
  normalInt,
  PyDict,
  PyError,
  PyFloat,
  PyTuple,
  textOf,
  typeError,
  typeName,
  Undefined,
  type Value,
  valueError,
} from "./values.ts";

const FIELD = /%(?:\(([^)]*)\))?([-+ #0]*)(\*|\d*)(?:\.(\*|\d*))?[hlL]?([\s\S])?/gu;

export function formatPercent(format: string | Markup, values: Value): Value {
  const text = new PercentFormat(values, format instanceof Markup).format(textOf(format));
  return typeof format === "string" ? text : new Markup(text);
}

class PercentFormat {
  readonly #values: Value;
  readonly #list: readonly Value[];
  readonly #safe: boolean;
  #next = 0;
  #byName = false;

  constructor(values: Value, safe: boolean) {
    this.#values = values;
    this.#list = values instanceof PyTuple ? values.items : [values];
    this.#safe = safe;
  }

  format(text: string): string {
    const result = text.replace(FIELD, (...parts) => {
      const [, key, flags, width, precision, type] = parts as unknown as (string | undefined)[];
      return this.#field(key, flags ?? "", width ?? "", precision, type);
    });
    const spare = this.#next < this.#list.length && !this.#byName && !(this.#values instanceof PyDict);
    if (spare && !(this.#values instanceof Undefined) && !Array.isArray(this.#values)) {
      throw typeError("not all arguments converted during string formatting");
    }
    return result;
  }

  #take(): Value {
    const value = this.#list[this.#next++];
    if (value === undefined) throw typeError("not enough arguments for format string");
    return value;
  }

  #field(key: string | undefined, flags: string, width: string, precision: string | undefined, type?: string): string {
    if (type === undefined) throw valueError("incomplete format");
    if (type === "%" && key === undefined) return "%";
    const wide = width === "*" ? this.#star() : Number(width || 0);
    const exact = precision === "*" ? this.#star() : precision === undefined ? null : Number(precision || 0);
    const value = key === undefined ? this.#take() : this.#named(key);
    const left = flags.includes("-") || wide < 0;
    const zero = flags.includes("0") && !left;
    const body = this.#body(value, type, flags, exact);
    const gap = Math.abs(wide) - codePointLength(body);
    if (gap <= 0) return body;
    if (left) return body + " ".repeat(gap);
    if (!zero || "srac".includes(type)) return " ".repeat(gap) + body;
    const sign = /^[-+ ]?(?:0[xXo])?/.exec(body)![0];
    return sign + "0".repeat(gap) + body.slice(sign.length);
  }

  #star(): number {
    const value = this.#take();
    if (!isInt(value)) throw typeError("* wants int");
    return Number(value);
  }

  #named(key: string): Value {
    this.#byName = true;
    if (!(this.#values instanceof PyDict)) throw typeError("format requires a mapping");
    const value = this.#values.get(key);
    if (value === undefined) throw new PyError("KeyError", key);
    return value;
  }

  #body(value: Value, type: string, flags: string, precision: number | null): string {
    switch (type) {
      case "s":
      case "r":
      case "a": {
        const shown = type === "s" ? str(value) : type === "a" ? ascii(value) : repr(value);
        const text = this.#safe && !(value instanceof Markup) ? escapeHtml(shown) : shown;
        return precision === null ? text : [...text].slice(0, precision).join("");
      }
      case "c":
        if (isText(value) && codePointLength(textOf(value)) === 1) return textOf(value);
        if (isInt(value)) return String.fromCodePoint(Number(value));
        throw typeError("%c requires int or char");
      case "d":
      case "i":
      case "u":
      case "x":
      case "X":
      case "o":
        return this.#integer(value, type, flags, precision);
      case "e":
      case "E":
      case "f":
      case "F":
      case "g":
      case "G": {
        if (!isNumber(value)) throw typeError(`must be real number, not ${typeName(value)}`);
        const number = new PyFloat(value instanceof PyFloat ? value.value : Number(value));
        return formatValue(number, `${signFlag(flags)}${flags.includes("#") ? "#" : ""}.${precision ?? 6}${type}`);
      }
      default:
        throw valueError(`unsupported format character '${type}'`);
    }
  }

  #integer(value: Value, type: string, flags: string, precision: number | null): string {
    const decimal = "diu".includes(type);
    if (!isInt(value) && !(decimal && value instanceof PyFloat)) {
      const wanted = decimal ? "a real number" : "an integer";
      throw typeError(`%${type} format: ${wanted} is required, not ${typeName(value)}`);
    }
    if (value instanceof PyFloat && !Number.isFinite(value.value)) {
      throw new PyError(Number.isNaN(value.value) ? "ValueError" : "OverflowError", "cannot convert float to integer");
    }
    const whole = value instanceof PyFloat ? normalInt(BigInt(Math.trunc(value.value))) : value;
    const text = formatValue(
      typeof whole === "boolean" ? Number(whole) : whole,
      `${signFlag(flags)}${flags.includes("#") ? "#" : ""}${decimal ? "d" : type}`,
    );
    const sign = /^[-+ ]?(?:0[xXo])?/.exec(flags.includes("#") ? text : text.replace(/^([-+ ]?).*/, "$1"))![0];
    return precision === null ? text : sign + text.slice(sign.length).padStart(precision, "0");
  }
}

const signFlag = (flags: string): string => (flags.includes("+") ? "+" : flags.includes(" ") ? " " : "");
