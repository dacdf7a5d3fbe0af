/**
 * Tokens that stand outside the model: chat markers and other specials. They are cut out of the text before the model
 * sees it, the longest of those that start leftmost; those with `normalized` are sought in the normalized text.
 * Kept as the Rust crate keeps them: the newest entry of a content decides how it is cut, what was special once stays so.
 */
import type { Model } from "./model.ts";
import { leadingSpace, trailingSpace, WORD_CHAR } from "./white-space.ts";

export interface AddedToken {
  content: string;
  singleWord: boolean;
  lstrip: boolean;
  rstrip: boolean;
  normalized: boolean;
  special: boolean;
}

/** A stretch of text without added tokens, or the id of one. */
export type Segment = { text: string; start: number; id: null } | { text: string; start: number; id: number };

export class AddedTokens {
  readonly #ids = new Map<string, number>();
  readonly #byId = new Map<number, AddedToken>();
  readonly #special = new Set<string>();
  /** Contents as the normalizer leaves them, where it changes them. */
  readonly #normalizedText = new Map<number, string>();
  #highest = -1;
  #raw = new Finder([]);
  #normalized = new Finder([]);

  /** `normalize` is applied to the content of tokens that are sought in normalized text. */
  add(tokens: readonly AddedToken[], model: Model, normalize: (text: string) => string): void {
    let nextId = this.#nextId(model);
    for (const token of tokens) {
      if (token.content === "") continue;
      const id = this.#ids.get(token.content) ?? model.tokenToId(token.content) ?? nextId++;
      if (token.normalized) {
        const text = normalize(token.content);
        if (text !== token.content) this.#normalizedText.set(id, text);
      }
      this.#ids.set(token.content, id);
      this.#byId.set(id, token);
      this.#highest = Math.max(this.#highest, id);
      if (token.special) this.#special.add(token.content);
    }
    const raw: [string, number][] = [];
    const normalized: [string, number][] = [];
    for (const [id, token] of this.#byId) {
      if (token.normalized) normalized.push([this.#normalizedText.get(id) ?? token.content, id]);
      else raw.push([token.content, id]);
    }
    this.#raw = new Finder(raw);
    this.#normalized = new Finder(normalized);
  }

  #nextId(model: Model): number {
    return this.#highest >= model.size || (model.size === 0 && this.#highest >= 0) ? this.#highest + 1 : model.size;
  }

  /** One more than the highest id of an added token. */
  get idCount(): number {
    return this.#highest + 1;
  }

  id(content: string): number | undefined {
    return this.#ids.get(content);
  }

  token(id: number): AddedToken | undefined {
    return this.#byId.get(id);
  }

  /**
   * The text that decoders get for an id: the normalized one where the normalizer changes it, as the crate since 0.23
   * has it. `isSpecial` of such a text is false: the crate does not leave it out either.
   */
  textToDecode(id: number): string | undefined {
    return this.#normalizedText.get(id) ?? this.#byId.get(id)?.content;
  }

  isSpecial(content: string): boolean {
    return this.#special.has(content);
  }

  contents(): IterableIterator<string> {
    return this.#ids.keys();
  }

  cutRaw(text: string): Segment[] {
    return this.#cut(text, this.#raw);
  }

  cutNormalized(text: string): Segment[] {
    return this.#cut(text, this.#normalized);
  }

  #cut(text: string, finder: Finder): Segment[] {
    const segments: Segment[] = [];
    let done = 0;
    for (const [from, to, id] of finder.find(text)) {
      const token = this.#byId.get(id)!;
      let start = from;
      let end = to;
      if (token.singleWord) {
        const before = start > 0 && WORD_CHAR.test(lastChar(text.slice(0, start)));
        const after = end < text.length && WORD_CHAR.test(String.fromCodePoint(text.codePointAt(end)!));
        if (before || after) continue;
      }
      if (token.lstrip) start = Math.max(start - trailingSpace(text.slice(0, start)), done);
      if (token.rstrip) end += leadingSpace(text.slice(end));
      if (start > done) segments.push({ text: text.slice(done, start), start: done, id: null });
      // A match whose white space the one before it took has nothing left: the crate drops it.
      if (end > start) segments.push({ text: text.slice(start, end), start, id });
      done = end;
    }
    if (done < text.length) segments.push({ text: text.slice(done), start: done, id: null });
    return segments;
  }
}

const lastChar = (text: string): string => {
  const unit = text.charCodeAt(text.length - 1);
  return unit >= 0xdc00 && unit <= 0xdfff ? text.slice(-2) : text.slice(-1);
};

interface Node {
  next: Map<string, Node>;
  id: number | null;
}

/**
 * Finds which of many texts stands leftmost, and of those the longest. A trie by UTF-16 units, entered only where a
 * token can start, so that ordinary text costs one look-up per unit.
 */
class Finder {
  readonly #root: Node = { next: new Map(), id: null };

  constructor(entries: readonly [content: string, id: number][]) {
    for (const [content, id] of entries) {
      let node = this.#root;
      for (let i = 0; i < content.length; i++) {
        const unit = content[i]!;
        let child = node.next.get(unit);
        if (child === undefined) {
          child = { next: new Map(), id: null };
          node.next.set(unit, child);
        }
        node = child;
      }
      // Of equal contents the first one counts.
      if (content !== "") node.id ??= id;
    }
  }

  *find(text: string): Iterable<[start: number, end: number, id: number]> {
    if (this.#root.next.size === 0) return;
    let start = 0;
    while (start < text.length) {
      let node = this.#root.next.get(text[start]!);
      let end = 0;
      let id = -1;
      for (let at = start + 1; node !== undefined; at++) {
        if (node.id !== null) {
          end = at;
          id = node.id;
        }
        if (at >= text.length) break;
        node = node.next.get(text[at]!);
      }
      if (end === 0) start++;
      else {
        yield [start, end, id];
        start = end;
      }
    }
  }
}
