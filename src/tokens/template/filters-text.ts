/** Filters that make text of text. What they are given is made a str first, None ("None") and undefined ("") too. */
import { capitalize, filterTitle } from "./characters.ts";
import type { Filter } from "./filters.ts";
import { escapeHtml } from "./html.ts";
import { formatPercent } from "./percent-format.ts";
import { repr, sortedRepr, str } from "./print.ts";
import { bind, textArgument, wholeNumber } from "./signature.ts";
import { replaceText, stripChars, strMethod } from "./str-methods.ts";
import { SPACE_CLASS, splitWords, trim } from "./text-space.ts";
import {
  codePointLength,
  isInt,
  isText,
  iterate,
  lengthOf,
  Markup,
  PyDict,
  PyError,
  PyTuple,
  textOf,
  truthy,
  typeError,
  Undefined,
  type Value,
  valueError,
} from "./values.ts";

/** Keeps the mark of safe text through a change. */
const like = (value: Value, text: string): Value => (value instanceof Markup ? new Markup(text) : text);

const simple =
  (name: string, run: (text: string) => string): Filter =>
  (value, args) => {
    bind(name, args, []);
    return like(value, run(str(value)));
  };

const escaped: Filter = (value, args) => {
  bind("escape", args, []);
  return value instanceof Markup ? value : new Markup(escapeHtml(str(value)));
};

const call = (text: string, method: string, ...positional: Value[]): Value =>
  strMethod(text, method)!.call({ positional, named: new Map() });

export const textFilters: Record<string, Filter> = {
  capitalize: simple("capitalize", capitalize),
  lower: simple("lower", (text) => text.toLowerCase()),
  upper: simple("upper", (text) => text.toUpperCase()),
  title: simple("title", filterTitle),
  string: (value, args) => {
    bind("string", args, []);
    return value instanceof Markup ? value : str(value);
  },
  safe: (value, args) => {
    bind("safe", args, []);
    return new Markup(str(value));
  },
  e: escaped,
  escape: escaped,
  forceescape: (value) => new Markup(escapeHtml(str(value))),
  striptags: simple("striptags", (text) => splitWords(stripTags(text)).join(" ")),
  trim: (value, args) => {
    const [chars] = bind("trim", args, ["chars"]);
    if ((chars ?? null) === null) return like(value, trim(str(value)));
    return like(value, stripChars(str(value), textArgument("strip", chars!), true, true));
  },
  replace: (value, args) => {
    const [old, fresh, count] = bind("replace", args, ["old", "new", "count"], 2);
    const most = (count ?? null) === null ? -1 : wholeNumber(count!);
    return like(value, replaceText(str(value), str(old!), str(fresh!), most));
  },
  center: (value, args) => {
    const [width] = bind("center", args, ["width"]);
    return call(str(value), "center", width ?? 80);
  },
  indent: (value, args) => {
    const [width, first, blank] = bind("indent", args, ["width", "first", "blank"]);
    return indent(value, width ?? 4, truthy(first ?? false), truthy(blank ?? false));
  },
  format: (value, args) => {
    if (args.positional.length > 0 && args.named.size > 0) {
      throw new PyError("FilterArgumentError", "can't handle positional and keyword arguments at the same time");
    }
    const values = args.named.size > 0 ? PyDict.of(args.named) : new PyTuple(args.positional);
    return formatPercent(isText(value) ? value : str(value), values);
  },
  truncate: (value, args) => {
    const [length, kill, end, leeway] = bind("truncate", args, ["length", "killwords", "end", "leeway"]);
    const most = length === undefined ? 255 : wholeNumber(length);
    const more = (leeway ?? null) === null ? 5 : wholeNumber(leeway!);
    return truncate(value, most, truthy(kill ?? false), end === undefined ? "..." : str(end), more);
  },
  wordcount: (value, args) => {
    bind("wordcount", args, []);
    return (str(value).match(/[\p{L}\p{N}_]+/gu) ?? []).length;
  },
  wordwrap: (value, args) => {
    const names = ["width", "break_long_words", "wrapstring", "break_on_hyphens"];
    const [width, long, by, hyphens] = bind("wordwrap", args, names);
    return wordWrap(
      requireText("wordwrap", value),
      width === undefined ? 79 : wholeNumber(width),
      truthy(long ?? true),
      (by ?? null) === null ? "\n" : str(by!),
      truthy(hyphens ?? true),
    );
  },
  urlencode: (value, args) => {
    bind("urlencode", args, []);
    if (isText(value) || value instanceof Undefined || value === null || isInt(value)) return quoteUrl(str(value), "/");
    const pairs =
      value instanceof PyDict
        ? [...value.entries()]
        : [...iterate(value)].map((pair) => {
            const two = [...iterate(pair)];
            if (two.length !== 2) throw valueError(`expected 2 values to unpack, got ${two.length}`);
            return two;
          });
    return pairs.map(([key, item]) => `${quoteQuery(str(key!))}=${quoteQuery(str(item!))}`).join("&");
  },
  xmlattr: (value, args) => {
    const [space] = bind("xmlattr", args, ["autospace"]);
    if (!(value instanceof PyDict)) throw typeError("xmlattr needs a dict");
    const attributes: string[] = [];
    for (const [key, item] of value.entries()) {
      if (item === null || item instanceof Undefined) continue;
      if (new RegExp(`[${SPACE_CLASS}/>=]`).test(str(key))) {
        throw valueError(`Invalid character in attribute name: ${repr(key)}`);
      }
      attributes.push(`${escapeHtml(str(key))}="${item instanceof Markup ? item.text : escapeHtml(str(item))}"`);
    }
    const text = attributes.join(" ");
    return text !== "" && truthy(space ?? true) ? ` ${text}` : text;
  },
  urlize: () => {
    throw new PyError("TemplateRuntimeError", "the filter 'urlize' is not supported in chat templates");
  },
  pprint: (value, args) => {
    bind("pprint", args, []);
    const text = sortedRepr(value);
    if (text.length > 80) {
      throw new PyError(
        "TemplateRuntimeError",
        "the filter 'pprint' is not supported for values that need several lines",
      );
    }
    return text;
  },
};

function requireText(name: string, value: Value): string {
  if (isText(value)) return textOf(value);
  if (value instanceof Undefined) throw value.fail();
  throw typeError(`the filter '${name}' needs a str`);
}

function stripTags(text: string): string {
  let result = text;
  for (let from = result.indexOf("<!--"); from >= 0; from = result.indexOf("<!--", from)) {
    const to = result.indexOf("-->", from);
    if (to < 0) break;
    result = result.slice(0, from) + result.slice(to + 3);
  }
  for (let from = result.indexOf("<"); from >= 0; from = result.indexOf("<", from)) {
    const to = result.indexOf(">", from);
    if (to < 0) break;
    result = result.slice(0, from) + result.slice(to + 1);
  }
  const entities: Record<string, string> = {
    "&lt;": "<",
    "&gt;": ">",
    "&amp;": "&",
    "&#39;": "'",
    "&#34;": '"',
    "&quot;": '"',
  };
  return result.replace(/&(?:lt|gt|amp|#39|#34|quot);/g, (entity) => entities[entity]!);
}

function indent(value: Value, width: Value, first: boolean, blank: boolean): Value {
  const text = requireText("indent", value);
  const space = isText(width) ? textOf(width) : " ".repeat(Math.max(0, wholeNumber(width)));
  const lines = [...iterate(call(`${text}\n`, "splitlines"))].map(str);
  const [head = "", ...rest] = lines;
  const body = rest.map((line) => (line !== "" || blank ? space + line : line));
  return like(value, (first ? space : "") + [head, ...body].join("\n"));
}

function truncate(value: Value, length: number, killWords: boolean, end: string, leeway: number): Value {
  if (value instanceof Undefined) return value;
  const endLength = codePointLength(end);
  if (length < endLength) {
    throw new PyError("AssertionError", `expected length >= ${endLength}, got ${length}`);
  }
  if (leeway < 0) throw new PyError("AssertionError", `expected leeway >= 0, got ${leeway}`);
  // Whatever has a length is given back where it is short enough; only text can be cut.
  const size = lengthOf(value);
  if (size <= length + leeway) return value;
  const text = requireText("truncate", value);
  const cut = [...text].slice(0, length - endLength).join("");
  if (killWords) return like(value, cut + end);
  const space = cut.lastIndexOf(" ");
  return like(value, (space < 0 ? cut : cut.slice(0, space)) + end);
}

/** Python's textwrap with white space kept: chunks of words and spaces, spaces dropped where a line breaks. */
function wordWrap(text: string, width: number, breakLong: boolean, by: string, hyphens: boolean): string {
  if (width <= 0) throw valueError(`invalid width ${width} (must be > 0)`);
  return [...iterate(call(text, "splitlines"))]
    .map((line) => wrapLine(str(line), width, breakLong, hyphens).join(by))
    .join(by);
}

function wrapLine(text: string, width: number, breakLong: boolean, hyphens: boolean): string[] {
  const blanks = "[\\t\\n\\v\\f\\r ]";
  const chunks = text.split(new RegExp(`(${blanks}+)`)).filter((chunk) => chunk !== "");
  const pieces = hyphens ? chunks.flatMap(atHyphens) : chunks;
  pieces.reverse();
  const isBlank = (chunk: string | undefined): boolean => chunk !== undefined && trim(chunk) === "";
  const lines: string[] = [];
  while (pieces.length > 0) {
    const line: string[] = [];
    let used = 0;
    if (lines.length > 0 && isBlank(pieces.at(-1))) pieces.pop();
    while (pieces.length > 0 && used + codePointLength(pieces.at(-1)!) <= width) {
      used += codePointLength(pieces.at(-1)!);
      line.push(pieces.pop()!);
    }
    if (pieces.length > 0 && codePointLength(pieces.at(-1)!) > width) {
      if (breakLong) {
        const chars = [...pieces.pop()!];
        const room = Math.max(1, width - used);
        line.push(chars.slice(0, room).join(""));
        pieces.push(chars.slice(room).join(""));
      } else if (line.length === 0) line.push(pieces.pop()!);
    }
    if (isBlank(line.at(-1))) line.pop();
    if (line.length > 0) lines.push(line.join(""));
  }
  return lines;
}

/** A word may break after a hyphen between letters, and around a dash of several. */
const atHyphens = (chunk: string): string[] =>
  chunk.split(
    /(?<=[\p{L}_]{2}-)(?=[\p{L}_]{2})|(?<=[\p{L}\p{N}_!"'&.,?])(?=-{2,}[\p{L}\p{N}_])|(?<=[^-]-{2,})(?=[\p{L}\p{N}_])/u,
  );

function quoteUrl(text: string, safe: string): string {
  let result = "";
  for (const byte of new TextEncoder().encode(text)) {
    const char = String.fromCharCode(byte);
    result +=
      /[A-Za-z0-9_.~-]/.test(char) || safe.includes(char)
        ? char
        : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return result;
}

const quoteQuery = (text: string): string => quoteUrl(text, "").replaceAll("%20", "+");
