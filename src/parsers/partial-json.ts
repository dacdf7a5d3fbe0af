/**
 * JSON that may be cut off: the text's end closes every string, array and object that is open. A key without a value
 * and a word or number that is not complete are left out. What is wrong elsewhere is no JSON.
 */
import { readJson, readJsonAt } from "./json-reader.ts";
import type { PyMap, PyValue } from "./python-value.ts";

const MAX_DEPTH = 500;

class NotJson {}

/** The value of a complete or cut text; undefined if it is no beginning of JSON. `complete` says which it was. */
export function readPartialJson(text: string): { value: PyValue; complete: boolean } | undefined {
  const whole = readJson(text);
  if (whole.ok) return { value: whole.value, complete: true };
  if (!whole.truncated) return undefined;
  try {
    const value = new PartialReader(text).read();
    return value === undefined ? undefined : { value, complete: false };
  } catch (error) {
    if (error instanceof NotJson) return undefined;
    throw error;
  }
}

class PartialReader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text.trimEnd();
  }

  read(): PyValue | undefined {
    this.#space();
    return this.#value(0);
  }

  #space(): void {
    while (/\s/.test(this.#text[this.#at] ?? "x")) this.#at++;
  }

  get #ended(): boolean {
    return this.#at >= this.#text.length;
  }

  /** undefined: the text ends before the value is complete enough. */
  #value(depth: number): PyValue | undefined {
    if (depth > MAX_DEPTH) throw new NotJson();
    const char = this.#text[this.#at];
    if (char === undefined) return undefined;
    if (char === '"') return this.#string();
    if (char === "[") return this.#array(depth);
    if (char === "{") return this.#object(depth);
    const read = readJsonAt(this.#text, this.#at);
    if (!read.ok) {
      if (!read.truncated) throw new NotJson();
      this.#at = this.#text.length;
      return undefined;
    }
    this.#at = read.end;
    return read.value;
  }

  #string(): string {
    const read = readJsonAt(this.#text, this.#at);
    if (read.ok) {
      this.#at = read.end;
      return read.value as string;
    }
    if (!read.truncated) throw new NotJson();
    const cut = this.#text.slice(this.#at);
    this.#at = this.#text.length;
    const closed = readJsonAt(
      `${cut.replace(/\\(?:u[0-9a-fA-F]{0,3})?$/, (tail, at: number) => (isEscaped(cut, at) ? tail : ""))}"`,
      0,
    );
    if (!closed.ok) throw new NotJson();
    return closed.value as string;
  }

  #array(depth: number): PyValue[] {
    const result: PyValue[] = [];
    this.#at++;
    for (;;) {
      this.#space();
      if (this.#ended) return result;
      if (this.#text[this.#at] === "]") {
        this.#at++;
        return result;
      }
      if (result.length > 0) this.#expect(",");
      this.#space();
      const value = this.#value(depth + 1);
      if (value === undefined) return result;
      result.push(value);
    }
  }

  #object(depth: number): PyMap {
    const result: PyMap = new Map();
    this.#at++;
    for (let first = true; ; first = false) {
      this.#space();
      if (this.#ended) return result;
      if (this.#text[this.#at] === "}") {
        this.#at++;
        return result;
      }
      if (!first) this.#expect(",");
      this.#space();
      if (this.#ended) return result;
      if (this.#text[this.#at] !== '"') throw new NotJson();
      const key = this.#string();
      this.#space();
      if (this.#ended) return result;
      this.#expect(":");
      this.#space();
      const value = this.#value(depth + 1);
      if (value === undefined) return result;
      result.set(key, value);
    }
  }

  #expect(char: string): void {
    if (this.#text[this.#at] !== char) throw new NotJson();
    this.#at++;
  }
}

/** Whether the backslash at `at` is itself escaped. */
function isEscaped(text: string, at: number): boolean {
  let count = 0;
  while (text[at - 1 - count] === "\\") count++;
  return count % 2 === 1;
}
