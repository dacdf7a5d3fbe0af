/**
 * Turns the regular expressions of tokenizer.json, which are Oniguruma's (Ruby syntax), into JavaScript's with the same
 * matches. What JavaScript means otherwise is spelled out: `\s` is Unicode White_Space, `\d` and `\w` are Unicode's,
 * case-insensitive groups become classes, possessive and atomic parts become a look-ahead with a back-reference.
 */
import { tokenizerError } from "./fields.ts";

const cache = new Map<string, RegExp>();

/** The pattern as a global JavaScript RegExp; the same object for the same pattern, so set `lastIndex` before use. */
export function compilePattern(pattern: string): RegExp {
  const known = cache.get(pattern);
  if (known !== undefined) return known;
  const source = new Translator(pattern).translate();
  try {
    const regex = new RegExp(source, "gv");
    cache.set(pattern, regex);
    return regex;
  } catch (error) {
    throw tokenizerError(`the pattern ${JSON.stringify(pattern)} cannot be translated`, error);
  }
}

/** A pattern that finds the text itself. */
export function literalPattern(text: string): RegExp {
  return new RegExp([...text].map(escapeChar).join(""), "gv");
}

const escapeChar = (char: string): string =>
  /^[A-Za-z0-9]$/.test(char) ? char : `\\u{${char.codePointAt(0)!.toString(16)}}`;

const WORD = "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}";
/** A `\\w` outside of a class, and `\\b`: Oniguruma's table for these has Latin-1's superscripts and fractions, too. */
const BARE_WORD = `${WORD}²³¹¼-¾`;
const SHORT: Record<string, string> = {
  s: "\\p{White_Space}",
  d: "\\p{Nd}",
  w: WORD,
  h: "0-9a-fA-F",
};
const CONTROL: Record<string, string> = { n: "\n", r: "\r", t: "\t", f: "\f", v: "\v", a: "\x07", e: "\x1b" };
const POSIX: Record<string, string> = {
  alpha: "\\p{Alphabetic}",
  digit: "\\p{Nd}",
  alnum: "\\p{Alphabetic}\\p{Nd}",
  space: "\\p{White_Space}",
  upper: "\\p{Uppercase}",
  lower: "\\p{Lowercase}",
  punct: "\\p{P}\\p{S}",
  cntrl: "\\p{Cc}",
  xdigit: "0-9a-fA-F",
  word: WORD,
  blank: "\\p{Zs}\\t",
  graph: "[^\\p{White_Space}\\p{Cc}\\p{Cn}\\p{Cs}]",
  print: "[^[\\p{White_Space}--\\p{Zs}]\\p{Cc}\\p{Cn}\\p{Cs}]",
};
/** Names that Oniguruma knows and JavaScript spells otherwise. */
const PROPERTIES: Record<string, string> = {
  alpha: "Alphabetic",
  space: "White_Space",
  digit: "Nd",
  upper: "Uppercase",
  lower: "Lowercase",
  punct: "P",
};

interface Flags {
  ignoreCase: boolean;
  dotAll: boolean;
  extended: boolean;
}

class Translator {
  readonly #chars: string[];
  readonly #pattern: string;
  #at = 0;
  #groups = 0;

  constructor(pattern: string) {
    this.#pattern = pattern;
    this.#chars = [...pattern];
  }

  translate(): string {
    const result = this.#alternatives({ ignoreCase: false, dotAll: false, extended: false });
    if (this.#at < this.#chars.length) throw this.#fault("an unmatched )");
    return result;
  }

  #fault(what: string): Error {
    return tokenizerError(`the pattern ${JSON.stringify(this.#pattern)} has ${what} at ${this.#at}`);
  }

  #take(text: string): boolean {
    if (this.#chars.slice(this.#at, this.#at + text.length).join("") !== text) return false;
    this.#at += text.length;
    return true;
  }

  #next(): string {
    const char = this.#chars[this.#at++];
    if (char === undefined) throw this.#fault("an early end");
    return char;
  }

  #alternatives(outer: Flags): string {
    const flags = { ...outer };
    let result = "";
    while (this.#at < this.#chars.length && this.#chars[this.#at] !== ")") {
      if (this.#take("|")) result += "|";
      else result += this.#quantified(flags);
    }
    return result;
  }

  #quantified(flags: Flags): string {
    let atom = this.#atom(flags);
    for (;;) {
      const quantifier = this.#quantifier();
      if (quantifier === "") return atom;
      if (atom === "") throw this.#fault("nothing to repeat");
      const interval = quantifier.startsWith("{");
      if (this.#take("?")) atom = `(?:${atom}${quantifier}?)`;
      else if (!interval && this.#take("+")) atom = this.#atomic(`${atom}${quantifier}`);
      else atom = `(?:${atom}${quantifier})`;
    }
  }

  #quantifier(): string {
    const char = this.#chars[this.#at];
    if (char === "*" || char === "+" || char === "?") {
      this.#at++;
      return char;
    }
    const interval = /^\{(?:(\d+)(,?)(\d*)|,(\d+))\}/.exec(this.#chars.slice(this.#at, this.#at + 20).join(""));
    if (interval === null) return "";
    this.#at += interval[0].length;
    return interval[4] === undefined ? `{${interval[1]}${interval[2]}${interval[3]}}` : `{0,${interval[4]}}`;
  }

  /** JavaScript has no atomic groups; a look-ahead is one, and the back-reference then takes what it saw. */
  #atomic(body: string): string {
    const name = `atomic${this.#groups++}`;
    return `(?:(?=(?<${name}>${body}))\\k<${name}>)`;
  }

  #atom(flags: Flags): string {
    const char = this.#next();
    if (flags.extended && /\s/.test(char)) return "";
    if (flags.extended && char === "#") {
      while (this.#at < this.#chars.length && this.#next() !== "\n");
      return "";
    }
    switch (char) {
      case "(":
        return this.#group(flags);
      case "[":
        return this.#class(flags);
      case ".":
        return flags.dotAll ? "[\\s\\S]" : "[^\\n]";
      case "^":
        return "(?<![^\\n])";
      case "$":
        return "(?![^\\n])";
      case "\\":
        return this.#escape(flags);
      case "*":
      case "+":
      case "?":
        throw this.#fault("nothing to repeat");
      default:
        return literal(char, flags.ignoreCase);
    }
  }

  #group(flags: Flags): string {
    if (this.#take("?#")) {
      while (this.#next() !== ")");
      return "";
    }
    for (const kind of ["?:", "?=", "?!", "?<=", "?<!"]) if (this.#take(kind)) return this.#close(`(${kind}`, flags);
    if (this.#take("?>")) return this.#atomic(this.#close("(?:", flags));
    if (this.#take("?<")) {
      while (this.#next() !== ">");
      return this.#close("(?:", flags);
    }
    if (this.#take("?")) return this.#flagged(flags);
    return this.#close("(?:", flags);
  }

  #flagged(flags: Flags): string {
    const inner = { ...flags };
    let on = true;
    for (;;) {
      const char = this.#next();
      if (char === "-") on = false;
      else if (char === "i") inner.ignoreCase = on;
      else if (char === "m") inner.dotAll = on;
      else if (char === "x") inner.extended = on;
      else if (char === ":") return this.#close("(?:", inner);
      else if (char === ")") {
        // From here to the end of the enclosing group, across its alternatives, as Ruby has it.
        const rest = this.#alternatives(inner);
        return `(?:${rest})`;
      } else throw this.#fault(`an unknown group (?${char}`);
    }
  }

  #close(open: string, flags: Flags): string {
    const body = this.#alternatives(flags);
    if (!this.#take(")")) throw this.#fault("an open group");
    return `${open}${body})`;
  }

  #escape(flags: Flags): string {
    const char = this.#next();
    if (char === "w") return `[${BARE_WORD}]`;
    if (char === "W") return `[^${BARE_WORD}]`;
    if (char in SHORT) return `[${SHORT[char]}]`;
    if (char.toLowerCase() in SHORT) return `[^${SHORT[char.toLowerCase()]}]`;
    if (char === "p" || char === "P") return `[${this.#property(char === "P")}]`;
    if (char === "A") return "(?<![\\s\\S])";
    if (char === "z") return "(?![\\s\\S])";
    if (char === "Z") return "(?=\\n?(?![\\s\\S]))";
    if (char === "b") return `(?:(?<=[${BARE_WORD}])(?![${BARE_WORD}])|(?<![${BARE_WORD}])(?=[${BARE_WORD}]))`;
    if (char === "B") return `(?:(?<=[${BARE_WORD}])(?=[${BARE_WORD}])|(?<![${BARE_WORD}])(?![${BARE_WORD}]))`;
    if (char === "N") return "[^\\n]";
    if (char === "O") return "[\\s\\S]";
    if (char === "R") return "(?:\\r\\n|[\\n\\v\\f\\r\\u0085\\u2028\\u2029])";
    this.#at--;
    return literal(this.#escapedChar(), flags.ignoreCase);
  }

  /** The character that an escape (its backslash already read) stands for. */
  #escapedChar(): string {
    const char = this.#next();
    if (char in CONTROL) return CONTROL[char]!;
    if (char === "x" && this.#take("{")) return this.#hex(8, "}");
    if (char === "x") return this.#hex(2);
    if (char === "u") return this.#hex(4);
    if (char === "0") return "\0";
    if (/[1-9gk]/.test(char)) throw this.#fault("a back-reference, which no tokenizer needs");
    if (/[GKXYycCM]/.test(char)) throw this.#fault(`\\${char}, which is not known,`);
    return char;
  }

  #hex(most: number, end?: string): string {
    let digits = "";
    while (digits.length < most && /^[0-9a-fA-F]$/.test(this.#chars[this.#at] ?? "")) digits += this.#next();
    if (end !== undefined && !this.#take(end)) throw this.#fault("an open escape");
    return String.fromCodePoint(Number.parseInt(digits || "0", 16));
  }

  #property(negated: boolean): string {
    let name = "";
    if (this.#take("{")) for (let char = this.#next(); char !== "}"; char = this.#next()) name += char;
    else name = this.#next();
    const not = name.startsWith("^") !== negated;
    name = name.replace(/^\^/, "").trim();
    name = PROPERTIES[name.toLowerCase()] ?? name;
    for (const form of [name, `Script=${name}`, `General_Category=${name}`, `Script=${titled(name)}`]) {
      if (isProperty(form)) return `\\${not ? "P" : "p"}{${form}}`;
    }
    throw this.#fault(`an unknown property ${name}`);
  }

  /** A bracketed class, its `[` already read; nested classes and `&&` included. */
  #class(flags: Flags): string {
    const negated = this.#take("^");
    const operands: string[] = [];
    let items = "";
    let first = true;
    for (;;) {
      if (this.#take("]")) {
        if (!first) break;
        items += "\\]";
      } else if (this.#take("&&")) {
        operands.push(items);
        items = "";
      } else if (this.#take("[:")) {
        const not = this.#take("^");
        let name = "";
        for (let char = this.#next(); char !== ":"; char = this.#next()) name += char;
        if (!this.#take("]") || !(name in POSIX)) throw this.#fault(`an unknown class ${name}`);
        items += `[${not ? "^" : ""}${POSIX[name]}]`;
      } else if (this.#take("[")) items += this.#class(flags);
      else items += this.#classItem(flags);
      first = false;
    }
    const body = operands.length === 0 ? items : [...operands, items].map((part) => `[${part}]`).join("&&");
    return `[${negated ? "^" : ""}${body}]`;
  }

  /** `\\b` in a class. */
  #backspace(): string {
    this.#at++;
    return "\b";
  }

  #classItem(flags: Flags): string {
    let from: string;
    if (this.#take("\\")) {
      const char = this.#chars[this.#at] ?? "";
      if (char in SHORT || char.toLowerCase() in SHORT) {
        this.#at++;
        return char in SHORT ? SHORT[char]! : `[^${SHORT[char.toLowerCase()]}]`;
      }
      if (char === "p" || char === "P") {
        this.#at++;
        return this.#property(char === "P");
      }
      from = char === "b" ? this.#backspace() : this.#escapedChar();
    } else from = this.#next();
    const after = this.#chars[this.#at + 1];
    if (this.#chars[this.#at] !== "-" || after === "]" || after === undefined || after === "[") {
      return flags.ignoreCase ? caseVariants(from).map(classChar).join("") : classChar(from);
    }
    this.#at++;
    const to = this.#take("\\") ? this.#escapedChar() : this.#next();
    const range = `${classChar(from)}-${classChar(to)}`;
    if (!flags.ignoreCase) return range;
    const variants = new Set<string>();
    for (let code = from.codePointAt(0)!; code <= to.codePointAt(0)! && variants.size < 4096; code++) {
      for (const variant of caseVariants(String.fromCodePoint(code))) variants.add(classChar(variant));
    }
    return range + [...variants].join("");
  }
}

const classChar = (char: string): string => `\\u{${char.codePointAt(0)!.toString(16)}}`;

function literal(char: string, ignoreCase: boolean): string {
  const variants = ignoreCase ? caseVariants(char) : [char];
  return variants.length === 1 ? escapeChar(char) : `[${variants.map(classChar).join("")}]`;
}

/** Characters that are one letter to a case-insensitive match. */
function caseVariants(char: string): string[] {
  const same = [char, char.toLowerCase(), char.toUpperCase()];
  if ("sSſ".includes(char)) same.push("s", "S", "ſ");
  if ("kK\u212a".includes(char)) same.push("k", "K", "\u212a");
  if ("åÅ\u212b".includes(char)) same.push("å", "Å", "\u212b");
  return [...new Set(same)].filter((variant) => [...variant].length === 1);
}

const titled = (name: string): string => name.toLowerCase().replace(/(^|_)[a-z]/g, (letter) => letter.toUpperCase());

function isProperty(form: string): boolean {
  try {
    new RegExp(`\\p{${form}}`, "v");
    return true;
  } catch (error) {
    if (error instanceof SyntaxError) return false;
    throw error;
  }
}
