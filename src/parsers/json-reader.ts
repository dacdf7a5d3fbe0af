/**
 * Reads one JSON value at a position, as Python's `json` module does: big integers, NaN and Infinity, duplicate keys
 * (the last value at the first place), no raw control characters in strings unless `strict` is off. A failure is a
 * value that says where, never an exception; depth and digits are bounded as in Python, so hostile text costs no more.
 */
import type { PyMap, PyValue } from "./python-value.ts";

/** Python gives up at its recursion limit, near this depth. */
const MAX_DEPTH = 990;
/** Python refuses to convert longer integers (`sys.int_info.default_max_str_digits`). */
const MAX_DIGITS = 4300;

export interface ReadValue {
  ok: true;
  value: PyValue;
  /** Position after the value. */
  end: number;
}

export interface ReadFailure {
  ok: false;
  /** Where the text stopped being JSON. */
  at: number;
  /** The text ended too early; more of it might have been a value. */
  truncated: boolean;
}

export interface JsonReadOptions {
  /** false lets raw control characters stand in strings. Default true. */
  strict?: boolean;
}

class Failure {
  readonly at: number;
  readonly truncated: boolean;
  constructor(at: number, truncated: boolean) {
    this.at = at;
    this.truncated = truncated;
  }
}

const NUMBER = /(-?(?:0|[1-9][0-9]*))(\.[0-9]+)?([eE][-+]?[0-9]+)?/y;
const PLAIN_STRICT = /[^"\\\u0000-\u001f]*/y;
const PLAIN_LOOSE = /[^"\\]*/y;
const ESCAPES: Record<string, string> = {
  '"': '"',
  "\\": "\\",
  "/": "/",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
};
const WORDS: [string, PyValue][] = [
  ["null", null],
  ["true", true],
  ["false", false],
  ["NaN", Number.NaN],
  ["Infinity", Number.POSITIVE_INFINITY],
  ["-Infinity", Number.NEGATIVE_INFINITY],
];

class Reader {
  readonly text: string;
  readonly plain: RegExp;
  at: number;

  constructor(text: string, at: number, strict: boolean) {
    this.text = text;
    this.at = at;
    this.plain = strict ? PLAIN_STRICT : PLAIN_LOOSE;
  }

  fail(at = this.at): never {
    throw new Failure(at, at >= this.text.length);
  }

  space(): void {
    const { text } = this;
    for (;;) {
      const code = text.charCodeAt(this.at);
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return;
      this.at++;
    }
  }

  value(depth: number): PyValue {
    const char = this.text[this.at];
    if (char === '"') return this.string();
    if (char === "{" || char === "[") {
      if (depth >= MAX_DEPTH) this.fail();
      return char === "{" ? this.object(depth + 1) : this.array(depth + 1);
    }
    for (const [word, value] of WORDS) {
      if (this.text.startsWith(word, this.at)) {
        this.at += word.length;
        return value;
      }
    }
    return this.number();
  }

  number(): PyValue {
    NUMBER.lastIndex = this.at;
    const match = NUMBER.exec(this.text);
    if (!match) {
      const tail = this.text.slice(this.at, this.at + 10);
      if (tail.length < 10 && WORDS.some(([word]) => word.startsWith(tail))) this.fail(this.text.length);
      this.fail();
    }
    const whole = match![0];
    const integer = match![1]!;
    const after = this.text.slice(this.at + whole.length, this.at + whole.length + 3);
    if (after !== "" && after.length < 3 && /^(?:\.|[eE][+-]?)$/.test(after)) this.fail(this.text.length);
    if (whole.length === integer.length) {
      if (integer.length > MAX_DIGITS) this.fail();
      this.at += whole.length;
      return BigInt(integer);
    }
    this.at += whole.length;
    return Number(whole);
  }

  string(): string {
    const { text } = this;
    this.at++;
    let result = "";
    for (;;) {
      this.plain.lastIndex = this.at;
      result += this.plain.exec(text)?.[0] ?? "";
      this.at = this.plain.lastIndex;
      const char = text[this.at];
      if (char === '"') {
        this.at++;
        return result;
      }
      if (char !== "\\") this.fail();
      const letter = text[this.at + 1];
      if (letter === undefined) this.fail(text.length);
      if (letter === "u") {
        const digits = text.slice(this.at + 2, this.at + 6);
        if (!/^[0-9a-fA-F]{4}$/.test(digits)) this.fail(/^[0-9a-fA-F]{0,3}$/.test(digits) ? text.length : this.at);
        result += String.fromCharCode(Number.parseInt(digits, 16));
        this.at += 6;
        continue;
      }
      const plain = ESCAPES[letter!];
      if (plain === undefined) this.fail();
      result += plain;
      this.at += 2;
    }
  }

  array(depth: number): PyValue[] {
    const result: PyValue[] = [];
    this.at++;
    this.space();
    if (this.text[this.at] === "]") {
      this.at++;
      return result;
    }
    for (;;) {
      result.push(this.value(depth));
      this.space();
      const char = this.text[this.at];
      if (char !== "," && char !== "]") this.fail();
      this.at++;
      if (char === "]") return result;
      this.space();
    }
  }

  object(depth: number): PyMap {
    const result: PyMap = new Map();
    this.at++;
    this.space();
    if (this.text[this.at] === "}") {
      this.at++;
      return result;
    }
    for (;;) {
      if (this.text[this.at] !== '"') this.fail();
      const key = this.string();
      this.space();
      if (this.text[this.at] !== ":") this.fail();
      this.at++;
      this.space();
      result.set(key, this.value(depth));
      this.space();
      const char = this.text[this.at];
      if (char !== "," && char !== "}") this.fail();
      this.at++;
      if (char === "}") return result;
      this.space();
    }
  }
}

/** One value that starts exactly at `from`; what follows it is not looked at (Python's `raw_decode`). */
export function readJsonAt(text: string, from: number, options: JsonReadOptions = {}): ReadValue | ReadFailure {
  const reader = new Reader(text, from, options.strict ?? true);
  try {
    const value = reader.value(0);
    return { ok: true, value, end: reader.at };
  } catch (failure) {
    if (failure instanceof Failure) return { ok: false, at: failure.at, truncated: failure.truncated };
    throw failure;
  }
}

/** The value of a text that is one JSON value with blanks around it (Python's `json.loads`). */
export function readJson(text: string, options: JsonReadOptions = {}): ReadValue | ReadFailure {
  const reader = new Reader(text, 0, options.strict ?? true);
  reader.space();
  const read = readJsonAt(text, reader.at, options);
  if (!read.ok) return read;
  reader.at = read.end;
  reader.space();
  return reader.at === text.length ? read : { ok: false, at: reader.at, truncated: false };
}
