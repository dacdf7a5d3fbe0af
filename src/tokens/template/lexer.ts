/**
 * Cuts a template into tokens by jinja2's rules with trim_blocks and lstrip_blocks set: the line break after a block or
 * comment is dropped, and so is white space that stands before one at the start of its line; `-` and `+` say otherwise.
 */

import { isSpace, SPACE_CLASS, trimEnd } from "./text-space.ts";
import { normalInt, PyError, PyFloat, type Value } from "./values.ts";

export type Token =
  | { type: "data"; value: string; line: number }
  | { type: "block_begin" | "block_end" | "variable_begin" | "variable_end"; value: string; line: number }
  | { type: "name" | "string" | "operator"; value: string; line: number }
  | { type: "number"; value: string; number: Value; line: number }
  | { type: "end"; value: ""; line: number };

export const syntaxError = (message: string, line: number): PyError =>
  new PyError("TemplateSyntaxError", `${message} (line ${line})`);

const S = `[${SPACE_CLASS}]*`;
const BEGIN = new RegExp(`\\{%([-+]?)${S}raw${S}(-%\\}${S}|%\\})|\\{([%{#])([-+]?)`, "g");
const COMMENT_END = new RegExp(`\\+#\\}|-#\\}${S}|#\\}\\n?`, "g");
const RAW_END = new RegExp(`\\{%([-+]?)${S}endraw${S}(?:\\+%\\}|-%\\}${S}|%\\}\\n?)`, "g");
const BLOCK_END = new RegExp(`(?:\\+%\\}|-%\\}${S}|%\\}\\n?)`, "y");
const VARIABLE_END = new RegExp(`(?:-\\}\\}${S}|\\}\\})`, "y");
const SPACES = new RegExp(`[${SPACE_CLASS}]+`, "y");
const FLOAT = /(?<!\.)(?:\d+_)*\d+(?:(?:\.(?:\d+_)*\d+)?[eE][+-]?(?:\d+_)*\d+|\.(?:\d+_)*\d+)/y;
const INTEGER = /0[bB](?:_?[01])+|0[oO](?:_?[0-7])+|0[xX](?:_?[\da-fA-F])+|[1-9](?:_?\d)*|0(?:_?0)*/y;
const NAME = /[\p{L}\p{N}_]+/uy;
const STRING = /'[^'\\]*(?:\\[\s\S][^'\\]*)*'|"[^"\\]*(?:\\[\s\S][^"\\]*)*"/y;
const OPERATOR = /\/\/|\*\*|==|!=|>=|<=|[-+/*%~[\](){}><=.:|,;]/y;
const CLOSING: Record<string, string> = { ")": "(", "]": "[", "}": "{" };

export function tokenize(template: string): Token[] {
  return new Lexer(template).run();
}

class Lexer {
  readonly #source: string;
  readonly #tokens: Token[] = [];
  #at = 0;
  #line = 1;
  /** Whether what stands before `#at` ended a line: white space from there on is at a line's start. */
  #lineStarting = true;

  constructor(template: string) {
    const source = template.replace(/\r\n|\r/g, "\n");
    this.#source = source.endsWith("\n") ? source.slice(0, -1) : source;
  }

  run(): Token[] {
    while (this.#at < this.#source.length) {
      BEGIN.lastIndex = this.#at;
      const match = BEGIN.exec(this.#source);
      if (match === null) {
        this.#data(this.#source.slice(this.#at), "", false);
        this.#at = this.#source.length;
        break;
      }
      const text = this.#source.slice(this.#at, match.index);
      const kind = match[3] ?? "raw";
      this.#data(text, match[1] ?? match[4] ?? "", kind !== "{");
      this.#advance(match.index + match[0].length);
      if (kind === "raw") this.#raw();
      else if (kind === "#") this.#comment();
      else this.#code(kind === "%" ? "block" : "variable");
    }
    this.#tokens.push({ type: "end", value: "", line: this.#line });
    return this.#tokens;
  }

  #advance(to: number): void {
    for (let i = this.#at; i < to; i++) if (this.#source.charCodeAt(i) === 10) this.#line++;
    this.#lineStarting = this.#source[to - 1] === "\n";
    this.#at = to;
  }

  #data(text: string, sign: string, block: boolean): void {
    let kept = text;
    if (sign === "-") kept = trimEnd(text);
    else if (sign !== "+" && block) {
      const lineStart = text.lastIndexOf("\n") + 1;
      const fresh = lineStart > 0 || this.#lineStarting;
      if (fresh && isSpace(text.slice(lineStart))) kept = text.slice(0, lineStart);
    }
    if (kept !== "") this.#tokens.push({ type: "data", value: kept, line: this.#line });
  }

  /** Where the source ends right after the beginning of a comment or of raw text, jinja2 does not complain. */
  get #atEnd(): boolean {
    return this.#at >= this.#source.length;
  }

  #comment(): void {
    if (this.#atEnd) return;
    COMMENT_END.lastIndex = this.#at;
    const end = COMMENT_END.exec(this.#source);
    if (end === null) throw syntaxError("Missing end of comment tag", this.#line);
    this.#advance(end.index + end[0].length);
  }

  #raw(): void {
    if (this.#atEnd) return;
    RAW_END.lastIndex = this.#at;
    const end = RAW_END.exec(this.#source);
    if (end === null) throw syntaxError("Missing end of raw directive", this.#line);
    this.#data(this.#source.slice(this.#at, end.index), end[1]!, true);
    this.#advance(end.index + end[0].length);
  }

  #match(pattern: RegExp): string | null {
    pattern.lastIndex = this.#at;
    return pattern.exec(this.#source)?.[0] ?? null;
  }

  #code(kind: "block" | "variable"): void {
    this.#tokens.push({ type: `${kind}_begin`, value: "", line: this.#line });
    const endPattern = kind === "block" ? BLOCK_END : VARIABLE_END;
    const open: string[] = [];
    for (;;) {
      if (this.#at >= this.#source.length) {
        throw syntaxError(`Unexpected end of template, expected the end of a ${kind}`, this.#line);
      }
      const end = open.length === 0 ? this.#match(endPattern) : null;
      if (end !== null) {
        this.#tokens.push({ type: `${kind}_end`, value: "", line: this.#line });
        this.#advance(this.#at + end.length);
        return;
      }
      this.#token(open);
    }
  }

  #token(open: string[]): void {
    const line = this.#line;
    const spaces = this.#match(SPACES);
    if (spaces !== null) {
      this.#advance(this.#at + spaces.length);
      return;
    }
    const float = this.#match(FLOAT);
    const digits = float ?? this.#match(INTEGER);
    if (digits !== null) {
      const clean = digits.replaceAll("_", "");
      const number = float === null ? normalInt(BigInt(clean)) : new PyFloat(Number(clean));
      this.#tokens.push({ type: "number", value: digits, number, line });
      this.#advance(this.#at + digits.length);
      return;
    }
    const name = this.#match(NAME);
    if (name !== null) {
      if (!/^[\p{XID_Start}_]\p{XID_Continue}*$/u.test(name))
        throw syntaxError("Invalid character in identifier", line);
      this.#tokens.push({ type: "name", value: name, line });
      this.#advance(this.#at + name.length);
      return;
    }
    const text = this.#match(STRING);
    if (text !== null) {
      this.#tokens.push({ type: "string", value: unescaped(text.slice(1, -1), line), line });
      this.#advance(this.#at + text.length);
      return;
    }
    const operator = this.#match(OPERATOR);
    if (operator === null) throw syntaxError(`unexpected char ${JSON.stringify(this.#source[this.#at])}`, line);
    if ("([{".includes(operator)) open.push(operator);
    else if (operator in CLOSING && open.pop() !== CLOSING[operator])
      throw syntaxError(`unexpected '${operator}'`, line);
    this.#tokens.push({ type: "operator", value: operator, line });
    this.#advance(this.#at + operator.length);
  }
}

const SIMPLE: Record<string, string> = {
  "\n": "",
  "\\": "\\",
  "'": "'",
  '"': '"',
  a: "\x07",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
};
const ESCAPE = /\\(?:x([\da-fA-F]{2})|u([\da-fA-F]{4})|U([\da-fA-F]{8})|([0-7]{1,3})|([xuUN])|([\s\S]))/gu;

/**
 * Python's string escapes; an unknown one stays as it is. jinja2 writes what is not ASCII as an escape first, so that a
 * backslash before such a character shows that escape.
 */
function unescaped(text: string, line: number): string {
  if (!text.includes("\\")) return text;
  return text.replace(ESCAPE, (whole, x, u, long, octal, bad, other) => {
    const hex: string | undefined = x ?? u ?? long;
    if (hex !== undefined) {
      const code = Number.parseInt(hex, 16);
      if (code > 0x10ffff) throw syntaxError("illegal Unicode character", line);
      return String.fromCodePoint(code);
    }
    if (octal !== undefined) return String.fromCodePoint(Number.parseInt(octal, 8));
    if (bad !== undefined) throw syntaxError(`truncated \\${bad} escape`, line);
    if (other in SIMPLE) return SIMPLE[other]!;
    const code: number = other.codePointAt(0);
    if (code < 128) return whole;
    if (code < 0x100) return `\\x${code.toString(16)}`;
    return code < 0x10000 ? `\\u${code.toString(16).padStart(4, "0")}` : `\\U${code.toString(16).padStart(8, "0")}`;
  });
}
