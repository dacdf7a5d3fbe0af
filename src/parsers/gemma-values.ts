/**
 * Gemma's own notation of values: `{key:value}` and `[value]` with strings between `<|"|>` marks in which nothing is
 * escaped. Bare values are text. Text that ends early gives what was complete, and its last string as far as it goes.
 */
import { skipSpace, strip } from "./python-strings.ts";
import type { PyMap, PyValue } from "./python-value.ts";
import type { TokenFinder } from "./token-finder.ts";

const MARK = '<|"|>';
const MAX_DEPTH = 200;

export interface GemmaObject {
  entries: PyMap;
  /** After the closing brace, or where the reading stopped. */
  end: number;
  /** false: the text ended inside the object. */
  closed: boolean;
}

interface Reading {
  value: PyValue;
  end: number;
  closed: boolean;
}

/** The object whose brace stands at `start`; a stop token outside strings ends it. */
export function readGemmaObject(finder: TokenFinder, start: number, stops: readonly string[]): GemmaObject {
  const read = new GemmaReader(finder, stops).object(start, 0);
  return { entries: read.value, end: read.end, closed: read.closed };
}

class GemmaReader {
  readonly #finder: TokenFinder;
  readonly #text: string;
  readonly #stops: readonly string[];

  constructor(finder: TokenFinder, stops: readonly string[]) {
    this.#finder = finder;
    this.#text = finder.text;
    this.#stops = stops;
  }

  object(start: number, depth: number): { value: PyMap; end: number; closed: boolean } {
    const value: PyMap = new Map();
    let at = start + 1;
    for (;;) {
      at = this.#separators(at);
      if (this.#stopped(at)) return { value, end: at, closed: false };
      if (this.#text[at] === "}") return { value, end: at + 1, closed: true };
      const key = this.#key(at);
      if (key === null) return { value, end: this.#bareEnd(at), closed: false };
      const valueAt = skipSpace(this.#text, key.end);
      if (this.#stopped(valueAt)) return { value, end: valueAt, closed: false };
      const item = this.#value(valueAt, depth);
      if (key.text !== "") value.set(key.text, item.value);
      at = item.end;
      if (!item.closed) return { value, end: at, closed: false };
    }
  }

  #array(start: number, depth: number): Reading {
    const value: PyValue[] = [];
    let at = start + 1;
    for (;;) {
      at = this.#separators(at);
      if (this.#stopped(at)) return { value, end: at, closed: false };
      if (this.#text[at] === "]") return { value, end: at + 1, closed: true };
      const item = this.#value(at, depth);
      value.push(item.value);
      at = Math.max(item.end, at + 1);
      if (!item.closed) return { value, end: at, closed: false };
    }
  }

  #value(at: number, depth: number): Reading {
    const text = this.#text;
    if (text.startsWith(MARK, at)) {
      const end = this.#finder.next(MARK, at + MARK.length);
      const closed = end !== -1;
      return {
        value: text.slice(at + MARK.length, closed ? end : text.length),
        end: closed ? end + MARK.length : text.length,
        closed,
      };
    }
    if (depth < MAX_DEPTH && text[at] === "{") return this.object(at, depth + 1);
    if (depth < MAX_DEPTH && text[at] === "[") return this.#array(at, depth + 1);
    const end = this.#bareEnd(at);
    return { value: strip(text.slice(at, end)), end, closed: !this.#stopped(end) };
  }

  #key(at: number): { text: string; end: number } | null {
    const text = this.#text;
    if (text.startsWith(MARK, at)) {
      const close = this.#finder.next(MARK, at + MARK.length);
      const colon = close === -1 ? -1 : skipSpace(text, close + MARK.length);
      return colon === -1 || text[colon] !== ":" ? null : { text: text.slice(at + MARK.length, close), end: colon + 1 };
    }
    for (let end = at; end < text.length; end++) {
      const char = text[end];
      if (char === ":") return { text: strip(text.slice(at, end)), end: end + 1 };
      if (char === "," || char === "}" || char === "{" || this.#stopped(end)) return null;
    }
    return null;
  }

  #separators(from: number): number {
    let at = skipSpace(this.#text, from);
    while (this.#text[at] === ",") at = skipSpace(this.#text, at + 1);
    return at;
  }

  #bareEnd(from: number): number {
    const text = this.#text;
    let end = from;
    while (end < text.length && !",}]".includes(text[end]!) && !this.#stopped(end)) end++;
    return end;
  }

  #stopped(at: number): boolean {
    if (at >= this.#text.length) return true;
    return this.#text[at] === "<" && this.#stops.some((token) => this.#text.startsWith(token, at));
  }
}
