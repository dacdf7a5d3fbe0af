/**
 * JSON text to Python's values with their kinds: 1.0 stays a float, long integers stay exact, and objects keep the order
 * of all their keys. JSON.parse loses all three, and a chat template can show them. Reads what Python's json.loads reads.
 */
import { LachesisError } from "../../core/index.ts";
import { normalInt, PyDict, PyFloat, type Value } from "./values.ts";

/** Deeper data than this is refused, as Python's recursion limit refuses it. */
const DEEPEST = 900;
const SPACE = /[ \t\n\r]*/y;
const NUMBER = /(-?(?:0|[1-9]\d*))(\.\d+)?([eE][-+]?\d+)?/y;
const TEXT = /"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[\da-fA-F]{4}))*"/y;
const WORDS: readonly [string, Value][] = [
  ["true", true],
  ["false", false],
  ["null", null],
  ["NaN", new PyFloat(Number.NaN)],
  ["Infinity", new PyFloat(Number.POSITIVE_INFINITY)],
  ["-Infinity", new PyFloat(Number.NEGATIVE_INFINITY)],
];

/**
 * The value for a message, a tool or a template's keyword.
 * @throws LachesisError `data_invalid`
 * @example
 * tokenizer.applyChatTemplate([{ role: "tool", content: parseJsonKeepingKinds('{"temp": 20.0}') }]);
 */
export function parseJsonKeepingKinds(text: string): Value {
  return new JsonReader(text).whole();
}

class JsonReader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  whole(): Value {
    const value = this.#value(0);
    this.#match(SPACE);
    if (this.#at < this.#text.length) throw this.#fault("more after the value");
    return value;
  }

  #fault(what: string): LachesisError {
    return new LachesisError("data_invalid", `The JSON text has ${what} at position ${this.#at}.`);
  }

  #match(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#text);
    if (match !== null) this.#at += match[0].length;
    return match;
  }

  #take(sign: string): boolean {
    if (!this.#text.startsWith(sign, this.#at)) return false;
    this.#at += sign.length;
    return true;
  }

  #value(depth: number): Value {
    if (depth > DEEPEST) throw this.#fault("too much nesting");
    this.#match(SPACE);
    if (this.#take("{")) return this.#object(depth);
    if (this.#take("[")) return this.#array(depth);
    if (this.#text[this.#at] === '"') return this.#string();
    for (const [word, value] of WORDS) if (this.#take(word)) return value;
    const number = this.#match(NUMBER);
    if (number === null) throw this.#fault("no value");
    const [digits, whole, fraction, exponent] = number;
    return fraction === undefined && exponent === undefined ? normalInt(BigInt(whole!)) : new PyFloat(Number(digits));
  }

  #string(): string {
    const match = this.#match(TEXT);
    if (match === null) throw this.#fault("a broken text");
    return JSON.parse(match[0]) as string;
  }

  #array(depth: number): Value[] {
    const items: Value[] = [];
    this.#match(SPACE);
    if (this.#take("]")) return items;
    for (;;) {
      items.push(this.#value(depth + 1));
      this.#match(SPACE);
      if (this.#take("]")) return items;
      if (!this.#take(",")) throw this.#fault("no comma");
    }
  }

  #object(depth: number): PyDict {
    const dict = new PyDict();
    this.#match(SPACE);
    if (this.#take("}")) return dict;
    for (;;) {
      this.#match(SPACE);
      if (this.#text[this.#at] !== '"') throw this.#fault("no key");
      const key = this.#string();
      this.#match(SPACE);
      if (!this.#take(":")) throw this.#fault("no colon");
      dict.set(key, this.#value(depth + 1));
      this.#match(SPACE);
      if (this.#take("}")) return dict;
      if (!this.#take(",")) throw this.#fault("no comma");
    }
  }
}
