/**
 * Elements whose tags all carry MiniMax's namespace token: the reader behind its M3 format. Text inside an element is
 * data up to the next token; a tag that does not close what is open is an error that says where.
 */
import { strip } from "./python-strings.ts";
import { TokenFinder } from "./token-finder.ts";

export const NAMESPACE = "]<]minimax[>[";
const INVOKE_END = `${NAMESPACE}</invoke>`;
const INVOKE = `${NAMESPACE}<invoke name=`;
const MAX_DEPTH = 200;

export interface NamespaceElement {
  name: string;
  /** The element's own text, without its children. */
  text: string;
  children: NamespaceElement[];
}

export interface Invocation {
  name: string;
  children: NamespaceElement[];
  start: number;
  /** Text inside the invocation that ended its parameters; null without. */
  junk: { start: number; end: number } | null;
}

export class MalformedElement extends Error {
  readonly at: number;
  constructor(message: string, at: number) {
    super(`${message} (position ${at}).`);
    this.at = at;
  }
}

export class ElementReader {
  readonly #text: string;
  readonly #finder: TokenFinder;
  at: number;

  constructor(text: string, at: number) {
    this.#text = text;
    this.#finder = new TokenFinder(text);
    this.at = at;
  }

  invoke(): Invocation {
    const text = this.#text;
    const start = this.at;
    if (!text.startsWith(INVOKE, start))
      throw new MalformedElement("No invocation", INVOKE.startsWith(text.slice(start)) ? text.length : start);
    const headerEnd = this.#finder.next(">", start + INVOKE.length);
    if (headerEnd === -1) throw new MalformedElement("An invocation without the end of its tag", text.length);
    const header = strip(text.slice(start + INVOKE.length, headerEnd));
    const quoted = /^(["'])([\s\S]*)\1$/.exec(header);
    const name = strip(quoted?.[2] ?? header);
    if (name === "") throw new MalformedElement("An invocation without a name", start);
    this.at = headerEnd + 1;
    const children: NamespaceElement[] = [];
    for (;;) {
      const token = this.#finder.next(NAMESPACE, this.at);
      if (token === -1) throw new MalformedElement("An invocation without its end", text.length);
      if (strip(text.slice(this.at, token)) !== "") return { name, children, start, junk: this.#skipJunk() };
      this.at = token;
      if (text.startsWith(INVOKE_END, token)) {
        this.at = token + INVOKE_END.length;
        return { name, children, start, junk: null };
      }
      children.push(this.#element(0));
    }
  }

  /** Text among the parameters: nothing behind it counts. */
  #skipJunk(): { start: number; end: number } {
    const start = this.at;
    const end = this.#finder.next(INVOKE_END, start);
    if (end === -1) throw new MalformedElement("An invocation without its end", this.#text.length);
    this.at = end + INVOKE_END.length;
    return { start, end };
  }

  #element(depth: number): NamespaceElement {
    const text = this.#text;
    const tagStart = this.at + NAMESPACE.length;
    if (depth > MAX_DEPTH) throw new MalformedElement("Elements are nested too deeply", this.at);
    if (text[tagStart] !== "<") throw new MalformedElement("A namespace token without a tag", tagStart);
    const tagEnd = this.#finder.next(">", tagStart);
    if (tagEnd === -1) throw new MalformedElement("A tag without its end", text.length);
    const name = strip(text.slice(tagStart + 1, tagEnd));
    if (name === "" || name.startsWith("/") || name.length > 1000)
      throw new MalformedElement("A tag that opens nothing", tagStart);
    const close = `${NAMESPACE}</${name}>`;
    this.at = tagEnd + 1;
    const children: NamespaceElement[] = [];
    let own = "";
    for (;;) {
      const token = this.#finder.next(NAMESPACE, this.at);
      if (token === -1) throw new MalformedElement(`<${name}> without its end`, text.length);
      own += text.slice(this.at, token);
      this.at = token;
      if (text.startsWith(close, token)) {
        this.at = token + close.length;
        return { name, text: own, children };
      }
      children.push(this.#element(depth + 1));
    }
  }
}
