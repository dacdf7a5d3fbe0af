/** The methods of str, `format` apart. Positions and widths count code points. */
import * as character from "./characters.ts";
import { bind, textArgument, wholeNumber } from "./signature.ts";
import { isSpace, splitWords, trim, trimEnd, trimStart } from "./text-space.ts";
import {
  type Arguments,
  codePointLength,
  codePoints,
  isText,
  iterate,
  PyDict,
  PyError,
  PyFunction,
  PyTuple,
  textOf,
  typeError,
  typeName,
  type Value,
  valueError,
} from "./values.ts";

type Method = (text: string, args: Arguments) => Value;

/** The bound method, or undefined where str has none of that name. */
export function strMethod(text: string, name: string): PyFunction | undefined {
  const method = METHODS.get(name);
  return method === undefined ? undefined : new PyFunction(name, (args) => method(text, args));
}

/** A method without arguments. */
const plain =
  (name: string, run: (text: string) => Value): Method =>
  (text, args) => {
    bind(name, args, []);
    return run(text);
  };

const METHODS = new Map<string, Method>([
  ...Object.entries({
    capitalize: character.capitalize,
    casefold: character.casefold,
    lower: (text: string) => text.toLowerCase(),
    upper: (text: string) => text.toUpperCase(),
    swapcase: character.swapCase,
    title: character.title,
    isalnum: character.isAlnum,
    isalpha: character.isAlpha,
    isascii: character.isAscii,
    isdecimal: character.isDecimal,
    isdigit: character.isDigit,
    isidentifier: character.isIdentifier,
    islower: character.isLower,
    isnumeric: character.isNumeric,
    isprintable: character.isPrintable,
    isspace: isSpace,
    istitle: character.isTitle,
    isupper: character.isUpper,
  }).map(([name, run]): [string, Method] => [name, plain(name, run)]),
  ["strip", stripper("strip", true, true)],
  ["lstrip", stripper("lstrip", true, false)],
  ["rstrip", stripper("rstrip", false, true)],
  ["startswith", affixTest("startswith", (text, affix) => text.startsWith(affix))],
  ["endswith", affixTest("endswith", (text, affix) => text.endsWith(affix))],
  [
    "removeprefix",
    (text, args) => {
      const affix = oneText("removeprefix", args);
      return text.startsWith(affix) ? text.slice(affix.length) : text;
    },
  ],
  [
    "removesuffix",
    (text, args) => {
      const affix = oneText("removesuffix", args);
      return affix !== "" && text.endsWith(affix) ? text.slice(0, -affix.length) : text;
    },
  ],
  ["split", split],
  ["rsplit", rsplit],
  ["splitlines", splitLines],
  [
    "partition",
    (text, args) => {
      const at = text.indexOf(separator("partition", args));
      return at < 0 ? new PyTuple([text, "", ""]) : parted(text, at, separator("partition", args));
    },
  ],
  [
    "rpartition",
    (text, args) => {
      const at = text.lastIndexOf(separator("rpartition", args));
      return at < 0 ? new PyTuple(["", "", text]) : parted(text, at, separator("rpartition", args));
    },
  ],
  ["replace", replace],
  ["find", finder("find", false, false)],
  ["rfind", finder("rfind", true, false)],
  ["index", finder("index", false, true)],
  ["rindex", finder("rindex", true, true)],
  ["count", count],
  [
    "join",
    (text, args) => {
      const [items] = bind("join", args, ["iterable"], 1);
      return [...iterate(items!)]
        .map((item, index) => {
          if (!isText(item)) {
            throw typeError(`sequence item ${index}: expected str instance, ${typeName(item)} found`);
          }
          return textOf(item);
        })
        .join(text);
    },
  ],
  ["ljust", padder("ljust", (gap) => [0, gap])],
  ["rjust", padder("rjust", (gap) => [gap, 0])],
  [
    "center",
    padder("center", (gap, width) => {
      // Python puts the odd one left where the width is odd.
      const left = Math.floor(gap / 2) + (gap & width & 1);
      return [left, gap - left];
    }),
  ],
  [
    "zfill",
    (text, args) => {
      const [width] = bind("zfill", args, ["width"], 1);
      const gap = wholeNumber(width!) - codePointLength(text);
      if (gap <= 0) return text;
      const sign = /^[+-]/.test(text) ? text[0]! : "";
      return sign + "0".repeat(gap) + text.slice(sign.length);
    },
  ],
  [
    "expandtabs",
    (text, args) => {
      const [size] = bind("expandtabs", args, ["tabsize"]);
      return character.expandTabs(text, size === undefined ? 8 : wholeNumber(size));
    },
  ],
  ["translate", translate],
  ["maketrans", (_text, args) => makeTranslation(args)],
  [
    "encode",
    () => {
      throw new PyError("TypeError", "bytes are not supported in chat templates");
    },
  ],
]);

const oneText = (name: string, args: Arguments): string => textArgument(`${name}()`, bind(name, args, ["text"], 1)[0]!);

function separator(name: string, args: Arguments): string {
  const text = oneText(name, args);
  if (text === "") throw valueError("empty separator");
  return text;
}

const parted = (text: string, at: number, by: string): PyTuple =>
  new PyTuple([text.slice(0, at), by, text.slice(at + by.length)]);

function stripper(name: string, left: boolean, right: boolean): Method {
  return (text, args) => {
    const [given] = bind(name, args, ["chars"]);
    if (given === undefined || given === null) {
      if (left && right) return trim(text);
      return left ? trimStart(text) : trimEnd(text);
    }
    if (!isText(given)) throw typeError(`${name} arg must be None or str`);
    return stripChars(text, textOf(given), left, right);
  };
}

/** Takes characters of the set off the ends. */
export function stripChars(text: string, set: string, left: boolean, right: boolean): string {
  const drop = new Set(set);
  const chars = codePoints(text);
  let from = 0;
  let to = chars.length;
  while (left && from < to && drop.has(chars[from]!)) from++;
  while (right && to > from && drop.has(chars[to - 1]!)) to--;
  return typeof chars === "string" ? chars.slice(from, to) : chars.slice(from, to).join("");
}

/** The part of the text between two optional positions, as `str[start:end]`; null where start lies beyond the end. */
function window(text: string, start: Value | undefined, end: Value | undefined): { part: string; from: number } | null {
  if ((start ?? null) === null && (end ?? null) === null) return { part: text, from: 0 };
  const chars = [...text];
  const at = (value: Value | undefined, fallback: number): number => {
    if (value === undefined || value === null) return fallback;
    const index = wholeNumber(value);
    return Math.max(0, index < 0 ? index + chars.length : index);
  };
  const from = at(start, 0);
  const to = Math.min(at(end, chars.length), chars.length);
  return from > to ? null : { part: chars.slice(from, to).join(""), from };
}

function affixTest(name: string, test: (text: string, affix: string) => boolean): Method {
  return (text, args) => {
    const [affix, start, end] = bind(name, args, ["prefix", "start", "end"], 1);
    const choices = affix instanceof PyTuple ? affix.items : [affix!];
    const seen = window(text, start, end);
    return choices.some((choice) => {
      if (!isText(choice)) {
        throw typeError(`${name} first arg must be str or a tuple of str, not ${typeName(choice)}`);
      }
      return seen !== null && test(seen.part, textOf(choice));
    });
  };
}

function finder(name: string, last: boolean, mustFind: boolean): Method {
  return (text, args) => {
    const [sought, start, end] = bind(name, args, ["sub", "start", "end"], 1);
    const what = textArgument(`${name}()`, sought!);
    const seen = window(text, start, end);
    const at = seen === null ? -1 : last ? seen.part.lastIndexOf(what) : seen.part.indexOf(what);
    if (at >= 0 && seen !== null) return seen.from + codePointLength(seen.part.slice(0, at));
    if (mustFind) throw valueError("substring not found");
    return -1;
  };
}

function count(text: string, args: Arguments): Value {
  const [sought, start, end] = bind("count", args, ["sub", "start", "end"], 1);
  const what = textArgument("count()", sought!);
  const seen = window(text, start, end);
  if (seen === null) return 0;
  return what === "" ? codePointLength(seen.part) + 1 : seen.part.split(what).length - 1;
}

function splitArguments(name: string, args: Arguments): { by: string | null; limit: number } {
  const [sep, max] = bind(name, args, ["sep", "maxsplit"]);
  const limit = max === undefined ? -1 : wholeNumber(max);
  if (sep === undefined || sep === null) return { by: null, limit: limit < 0 ? -1 : limit };
  if (!isText(sep)) throw typeError(`must be str or None, not ${typeName(sep)}`);
  if (textOf(sep) === "") throw valueError("empty separator");
  return { by: textOf(sep), limit: limit < 0 ? -1 : limit };
}

function split(text: string, args: Arguments): Value {
  const { by, limit } = splitArguments("split", args);
  if (by === null) return splitWords(text, limit);
  const parts = text.split(by);
  return limit < 0 || parts.length <= limit + 1 ? parts : [...parts.slice(0, limit), parts.slice(limit).join(by)];
}

function rsplit(text: string, args: Arguments): Value {
  const { by, limit } = splitArguments("rsplit", args);
  if (by === null) {
    if (limit < 0) return splitWords(text);
    const words: string[] = [];
    let rest = trimEnd(text);
    while (rest !== "" && words.length < limit) {
      const word = splitWords(rest).at(-1)!;
      words.unshift(word);
      rest = trimEnd(rest.slice(0, rest.length - word.length));
    }
    return trim(rest) === "" ? words : [rest, ...words];
  }
  const parts = text.split(by);
  if (limit < 0 || parts.length <= limit + 1) return parts;
  const cut = parts.length - limit;
  return [parts.slice(0, cut).join(by), ...parts.slice(cut)];
}

function splitLines(text: string, args: Arguments): Value {
  const [keep] = bind("splitlines", args, ["keepends"]);
  const keepEnds = keep !== undefined && keep !== false && keep !== null && keep !== 0;
  const lines: string[] = [];
  const pattern = /\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]/g;
  let from = 0;
  for (let match = pattern.exec(text); match !== null; match = pattern.exec(text)) {
    lines.push(text.slice(from, keepEnds ? pattern.lastIndex : match.index));
    from = pattern.lastIndex;
  }
  if (from < text.length) lines.push(text.slice(from));
  return lines;
}

function replace(text: string, args: Arguments): Value {
  if (args.named.size > 0) throw typeError("replace() takes no keyword arguments");
  const [old, fresh, most] = bind("replace", args, ["old", "new", "count"], 2);
  return replaceText(
    text,
    textArgument("replace() argument 1", old!),
    textArgument("replace() argument 2", fresh!),
    most === undefined ? -1 : wholeNumber(most),
  );
}

/** `str.replace`; a negative `most` is no limit, and an empty `old` stands between all characters. */
export function replaceText(text: string, old: string, fresh: string, most: number): string {
  if (most < 0 && old !== "") return text.split(old).join(fresh);
  const parts = old === "" ? ["", ...text, ""] : text.split(old);
  // Between the last character and the end there is one gap, not two.
  if (old === "") return joinSome(["", ...text], fresh, most, text === "" ? [] : [""]);
  return parts.length - 1 <= most
    ? parts.join(fresh)
    : [parts.slice(0, most + 1).join(fresh), ...parts.slice(most + 1)].join(old);
}

function joinSome(parts: string[], fresh: string, most: number, tail: string[]): string {
  const all = [...parts, ...tail];
  if (all.length === 1) return most === 0 ? "" : fresh;
  let result = all[0]!;
  for (let i = 1; i < all.length; i++) result += (most < 0 || i <= most ? fresh : "") + all[i];
  return result;
}

function padder(name: string, gaps: (gap: number, width: number) => [number, number]): Method {
  return (text, args) => {
    const [width, fill] = bind(name, args, ["width", "fillchar"], 1);
    const char = fill === undefined ? " " : textArgument(`${name}()`, fill);
    if (codePointLength(char) !== 1) throw typeError("The fill character must be exactly one character long");
    const wide = wholeNumber(width!);
    const gap = wide - codePointLength(text);
    if (gap <= 0) return text;
    const [left, right] = gaps(gap, wide);
    return char.repeat(left) + text + char.repeat(right);
  };
}

function translate(text: string, args: Arguments): Value {
  const [table] = bind("translate", args, ["table"], 1);
  if (!(table instanceof PyDict)) throw typeError(`'${typeName(table!)}' object is not subscriptable`);
  let result = "";
  for (const char of text) {
    const to = table.get(char.codePointAt(0)!);
    if (to === undefined) result += char;
    else if (typeof to === "number") result += String.fromCodePoint(to);
    else if (to !== null) result += textArgument("translate()", to);
  }
  return result;
}

function makeTranslation(args: Arguments): Value {
  const [from, to, drop] = bind("maketrans", args, ["x", "y", "z"], 1);
  const codes = (value: Value): number[] => [...textArgument("maketrans()", value)].map((char) => char.codePointAt(0)!);
  if (from instanceof PyDict) {
    return PyDict.of([...from.entries()].map(([key, value]) => [isText(key) ? codes(key)[0]! : key, value] as const));
  }
  const keys = codes(from!);
  const values = to === undefined ? [] : codes(to);
  if (keys.length !== values.length) {
    throw valueError("the first two maketrans arguments must have equal length");
  }
  const entries: [Value, Value][] = keys.map((key, index) => [key, values[index]!]);
  return PyDict.of([
    ...entries,
    ...(drop === undefined ? [] : codes(drop).map((code): [Value, Value] => [code, null])),
  ]);
}
