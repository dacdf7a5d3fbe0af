/** `str.format`: replacement fields with attributes, items, conversions and nested format specifications. */
import { formatValue } from "./format-spec.ts";
import { ascii, repr, str } from "./print.ts";
import { type Arguments, PyError, Undefined, type Value, valueError } from "./values.ts";

/** How `{0.name}` and `{0[key]}` are looked up: by the sandbox's rules. */
export interface Access {
  attribute: (object: Value, name: string) => Value;
  item: (object: Value, key: Value) => Value;
}

export function formatText(text: string, args: Arguments, access: Access): string {
  return new Formatter(args, access).format(text, 2);
}

class Formatter {
  readonly #args: Arguments;
  readonly #access: Access;
  #automatic = 0;
  #manual = false;

  constructor(args: Arguments, access: Access) {
    this.#args = args;
    this.#access = access;
  }

  format(text: string, depth: number): string {
    if (depth < 0) throw valueError("Max string recursion exceeded");
    let result = "";
    let at = 0;
    while (at < text.length) {
      const char = text[at]!;
      if (char !== "{" && char !== "}") {
        result += char;
        at++;
      } else if (text[at + 1] === char) {
        result += char;
        at += 2;
      } else if (char === "}") throw valueError("Single '}' encountered in format string");
      else {
        const end = closing(text, at);
        result += this.#field(text.slice(at + 1, end), depth);
        at = end + 1;
      }
    }
    return result;
  }

  #field(field: string, depth: number): string {
    const match = /^((?:[^[\]!:{}]|\[[^\]]*\])*)(?:!([\s\S]))?(?::([\s\S]*))?$/.exec(field);
    if (match === null) throw valueError(`invalid replacement field '${field}'`);
    let value = this.#value(match[1]!);
    if (match[2] === "r") value = repr(value);
    else if (match[2] === "a") value = ascii(value);
    else if (match[2] === "s") value = str(value);
    else if (match[2] !== undefined) throw valueError(`Unknown conversion specifier '${match[2]}'`);
    return formatValue(value, this.format(match[3] ?? "", depth - 1));
  }

  #value(name: string): Value {
    const [first = "", ...path] = name.match(/^[^.[]*|\.[^.[]*|\[[^\]]*\]/g) ?? [];
    let value = this.#argument(first);
    for (const part of path) {
      if (part.startsWith(".")) value = this.#access.attribute(value, part.slice(1));
      else {
        const key = part.slice(1, -1);
        value = this.#access.item(value, /^\d+$/.test(key) ? Number(key) : key);
      }
      if (value instanceof Undefined) throw value.fail();
    }
    return value;
  }

  #argument(name: string): Value {
    if (name === "" || /^\d+$/.test(name)) {
      if (name === "" ? this.#manual : this.#automatic > 0) {
        throw valueError("cannot switch between manual field specification and automatic field numbering");
      }
      const index = name === "" ? this.#automatic++ : Number(name);
      if (name !== "") this.#manual = true;
      const value = this.#args.positional[index];
      if (value === undefined) {
        throw new PyError("IndexError", `Replacement index ${index} out of range for positional args tuple`);
      }
      return value;
    }
    const value = this.#args.named.get(name);
    if (value === undefined) throw new PyError("KeyError", name);
    return value;
  }
}

/** Where the field that opens at `open` ends; fields may nest in its specification. */
function closing(text: string, open: number): number {
  let depth = 0;
  for (let at = open; at < text.length; at++) {
    if (text[at] === "{") depth++;
    else if (text[at] === "}" && --depth === 0) return at;
  }
  throw valueError("expected '}' before end of string");
}
