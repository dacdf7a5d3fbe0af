/**
 * Names to parsers: the built-in formats, their aliases in vLLM, SGLang and Hermes, and a user's own. A name that is
 * not known is an error that lists the nearest ones, never a silent fallback.
 */
import { LachesisError, nearestNames } from "../core/index.ts";
import { FORMATS, REASONING } from "./catalog.ts";
import type { ReasoningParser, ToolCallParser } from "./contract.ts";
import { parserOf } from "./tool-format.ts";

const builtIn = new Map<string, ToolCallParser>();
const own = new Map<string, ToolCallParser>();
const reasoning = new Map<string, ReasoningParser>(Object.entries(REASONING));

for (const format of FORMATS) {
  const parser = parserOf(format);
  for (const name of [format.name, ...(format.aliases ?? [])]) {
    builtIn.set(name, parser);
    if (!reasoning.has(name)) reasoning.set(name, format.reasoning);
  }
}

/**
 * The parser of a tool-call format.
 * @param name A name of `listParsers()`.
 * @throws LachesisError `config_invalid` for a name that is not known; the message gives the nearest ones.
 * @example
 * const { content, tool_calls } = getParser("hermes").parse(text, { tools });
 */
export function getParser(name: string): ToolCallParser {
  const parser = own.get(name) ?? builtIn.get(name);
  if (parser === undefined) throw unknownName("tool-call parser", name, listParsers());
  return parser;
}

/**
 * The parser of a family's reasoning.
 * @throws LachesisError `config_invalid` for a name that is not known.
 * @example
 * const { reasoning, content } = getReasoningParser("deepseek_r1").parse(text);
 */
export function getReasoningParser(name: string): ReasoningParser {
  const parser = reasoning.get(name);
  if (parser === undefined) throw unknownName("reasoning parser", name, listReasoningParsers());
  return parser;
}

/** The names that `getParser` knows, aliases and registered ones too, sorted. */
export function listParsers(): string[] {
  return [...new Set([...builtIn.keys(), ...own.keys()])].sort();
}

/** The names that `getReasoningParser` knows, sorted. */
export function listReasoningParsers(): string[] {
  return [...reasoning.keys()].sort();
}

/**
 * Adds a parser of your own; registering the name again replaces it.
 * @throws LachesisError `conflict` if the name is a built-in one.
 * @example
 * registerParser("my_format", { parse: (text) => ({ content: text, tool_calls: [], rest: null, problems: [] }) });
 */
export function registerParser(name: string, parser: ToolCallParser): void {
  if (builtIn.has(name))
    throw new LachesisError("conflict", `"${name}" is a built-in parser; register yours under another name.`);
  own.set(name, parser);
}

function unknownName(what: string, name: string, known: readonly string[]): LachesisError {
  const nearest = nearestNames(name, known);
  return new LachesisError("config_invalid", `There is no ${what} "${name}". Nearest: ${nearest.join(", ")}.`, {
    details: { name, nearest, known },
  });
}
