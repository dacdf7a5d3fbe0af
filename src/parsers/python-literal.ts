/**
 * Reads Python literals as `ast.literal_eval` does, as far as JSON can hold them: numbers of every notation, strings
 * with prefixes and escapes, lists, tuples (as lists), dictionaries, the three names. What Python refuses, and what
 * JSON could not print (bytes, sets, complex numbers), is a failure that says where. Work is linear in the text.
 */
import type { PyMap, PyValue } from "./python-value.ts";

export interface LiteralRules {
  /** Negative numbers and unary plus. */
  signs: boolean;
  tuples: boolean;
  /** `true`, `false` and `null` beside Python's own names. */
  jsonNames: boolean;
}

/** Thrown inside the readers only; no Error, because a stack each time would cost more than the reading. */
export class NotPython {
  readonly at: number;
  constructor(at: number) {
    this.at = at;
  }
}

/** Python's limit of nested brackets. */
const MAX_DEPTH = 199;
const MAX_DIGITS = 4300;
const NUMBER =
  /0[xX](?:_?[0-9a-fA-F])+|0[oO](?:_?[0-7])+|0[bB](?:_?[01])+|(?:[0-9](?:_?[0-9])*)?\.?(?:[0-9](?:_?[0-9])*)?(?:[eE][+-]?[0-9](?:_?[0-9])*)?/y;
const NAME = /[\p{L}_][\p{L}\p{N}_]*/uy;
const BLANK = /[ \t\f\r\n]*/y;
const SIMPLE_ESCAPES: Record<string, string> = {
  "\\": "\\",
  "'": "'",
  '"': '"',
  a: "\u0007",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
  "\n": "",
};

export class PythonReader {
  readonly text: string;
  readonly rules: LiteralRules;
  at: number;

  constructor(text: string, at: number, rules: LiteralRules) {
    this.text = text;
    this.at = at;
    this.rules = rules;
  }

  fail(): never {
    throw new NotPython(this.at);
  }

  /** Skips blanks and newlines, which mean nothing inside brackets. */
  space(): void {
    BLANK.lastIndex = this.at;
    BLANK.test(this.text);
    this.at = BLANK.lastIndex;
  }

  accept(char: string): boolean {
    if (this.text[this.at] !== char) return false;
    this.at++;
    return true;
  }

  expect(char: string): void {
    if (!this.accept(char)) this.fail();
  }

  /** An identifier, or null where none stands. */
  name(): string | null {
    NAME.lastIndex = this.at;
    const match = NAME.exec(this.text);
    if (match === null) return null;
    this.at = NAME.lastIndex;
    return match[0];
  }

  value(depth = 0): PyValue {
    if (depth > MAX_DEPTH) this.fail();
    const char = this.text[this.at];
    if (char === undefined) this.fail();
    if (char === "[") return this.#sequence("]", depth);
    if (char === "{") return this.#mapping(depth);
    if (char === "(" && this.rules.tuples) return this.#tuple(depth);
    if (char === "'" || char === '"') return this.#strings();
    if ((char === "-" || char === "+") && this.rules.signs) return this.#signed();
    if (/[0-9.]/.test(char!)) return this.#number();
    const start = this.at;
    const word = this.name();
    if (word === null) this.fail();
    if ("'\"".includes(this.text[this.at] ?? " ") && /^(?:[rR]|[uU])$/.test(word!)) {
      this.at = start;
      return this.#strings();
    }
    switch (word) {
      case "True":
        return true;
      case "False":
        return false;
      case "None":
        return null;
    }
    if (this.rules.jsonNames) {
      if (word === "true") return true;
      if (word === "false") return false;
      if (word === "null") return null;
    }
    this.at = start;
    return this.fail();
  }

  #signed(): PyValue {
    const negative = this.text[this.at] === "-";
    this.at++;
    this.space();
    const value = this.#number();
    if (!negative) return value;
    return typeof value === "bigint" ? -value : -(value as number);
  }

  #number(): PyValue {
    NUMBER.lastIndex = this.at;
    const match = NUMBER.exec(this.text)?.[0] ?? "";
    const digits = match.replaceAll("_", "");
    if (digits === "" || digits === "." || /^\.?[eE]/.test(digits)) this.fail();
    const end = this.at + match.length;
    if (/[\p{L}\p{N}_]/u.test(this.text[end] ?? "")) this.fail();
    if (/^0[xXoObB]/.test(digits)) {
      this.at = end;
      return BigInt(digits.toLowerCase());
    }
    if (/^[0-9]+$/.test(digits)) {
      if (digits.length > MAX_DIGITS || /^0+[1-9]/.test(digits)) this.fail();
      this.at = end;
      return BigInt(digits);
    }
    this.at = end;
    return Number(digits);
  }

  #sequence(close: string, depth: number): PyValue[] {
    const result: PyValue[] = [];
    this.at++;
    for (;;) {
      this.space();
      if (this.accept(close)) return result;
      result.push(this.value(depth + 1));
      this.space();
      if (this.accept(close)) return result;
      this.expect(",");
    }
  }

  /** A tuple, or a value in parentheses. */
  #tuple(depth: number): PyValue {
    const result: PyValue[] = [];
    this.at++;
    for (let commas = 0; ; commas++) {
      this.space();
      if (this.accept(")")) return result;
      result.push(this.value(depth + 1));
      this.space();
      if (this.accept(")")) return commas === 0 ? result[0]! : result;
      this.expect(",");
    }
  }

  #mapping(depth: number): PyMap {
    const result: PyMap = new Map();
    this.at++;
    for (;;) {
      this.space();
      if (this.accept("}")) return result;
      const key = this.value(depth + 1);
      this.space();
      this.expect(":");
      this.space();
      result.set(this.#jsonKey(key), this.value(depth + 1));
      this.space();
      if (this.accept("}")) return result;
      this.expect(",");
    }
  }

  /** Keys as `json.dumps` writes them. */
  #jsonKey(key: PyValue): string {
    if (typeof key === "string") return key;
    if (key === null) return "null";
    if (typeof key === "boolean" || typeof key === "bigint") return String(key);
    return this.fail();
  }

  /** Strings that stand side by side are one string. */
  #strings(): string {
    let result = "";
    for (;;) {
      const raw = /[rR]/.test(this.text[this.at]!);
      if (/[rRuU]/.test(this.text[this.at]!)) this.at++;
      result += this.#string(raw);
      const end = this.at;
      this.space();
      const next = this.text.slice(this.at, this.at + 2);
      if (!/^(?:['"]|[rRuU]['"])/.test(next)) {
        this.at = end;
        return result;
      }
    }
  }

  #string(raw: boolean): string {
    const { text } = this;
    const quote = text[this.at]!;
    const triple = text.startsWith(quote.repeat(3), this.at);
    const close = triple ? quote.repeat(3) : quote;
    this.at += close.length;
    let result = "";
    let plainFrom = this.at;
    for (;;) {
      const char = text[this.at];
      if (char === undefined || (char === "\n" && !triple)) this.fail();
      if (char === quote && text.startsWith(close, this.at)) {
        result += text.slice(plainFrom, this.at);
        this.at += close.length;
        return result;
      }
      if (char !== "\\") {
        this.at++;
        continue;
      }
      if (raw) {
        this.at += 2;
        continue;
      }
      result += text.slice(plainFrom, this.at) + this.#escaped();
      plainFrom = this.at;
    }
  }

  #escaped(): string {
    const { text } = this;
    const letter = text[this.at + 1];
    if (letter === undefined) this.fail();
    const simple = SIMPLE_ESCAPES[letter!];
    if (simple !== undefined) {
      this.at += 2;
      return simple;
    }
    const octal = /^[0-7]{1,3}/.exec(text.slice(this.at + 1, this.at + 4))?.[0];
    if (octal !== undefined) {
      this.at += 1 + octal.length;
      return String.fromCharCode(Number.parseInt(octal, 8));
    }
    const width = letter === "x" ? 2 : letter === "u" ? 4 : letter === "U" ? 8 : 0;
    if (letter === "N") this.fail();
    if (width === 0) {
      this.at += 2;
      return `\\${letter}`;
    }
    const digits = text.slice(this.at + 2, this.at + 2 + width);
    const code = Number.parseInt(digits, 16);
    if (digits.length < width || !/^[0-9a-fA-F]+$/.test(digits) || code > 0x10ffff) this.fail();
    this.at += 2 + width;
    return String.fromCodePoint(code);
  }
}

/** The value of a text that is one literal; undefined where Python refuses it or JSON could not print it. */
export function readPythonLiteral(text: string): PyValue | undefined {
  const reader = new PythonReader(text.replace(/^[ \t]+/, ""), 0, { signs: true, tuples: true, jsonNames: false });
  try {
    const value = reader.value();
    reader.space();
    return reader.at === reader.text.length ? value : undefined;
  } catch (error) {
    if (error instanceof NotPython) return undefined;
    throw error;
  }
}
