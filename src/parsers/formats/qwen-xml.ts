/**
 * The XML-like grammar of Qwen3-Coder: `<function=NAME>` with `<parameter=KEY>` values of raw text, usually inside
 * `<tool_call>`. One newline after the opening and one before the closing tag of a value are markup, all else is data.
 * Types come from the schema. A call whose last value is cut keeps its complete values; the cut one is a problem.
 */
import { coerceParameter } from "../coerce-by-schema.ts";
import type { ParseOptions, ReasoningParser } from "../contract.ts";
import { keepBeforeCalls, type ThinkTags } from "../engine-content.ts";
import { Extraction } from "../extraction.ts";
import { dumpMap } from "../json-dump.ts";
import { isBlank, skipSpace, strip } from "../python-strings.ts";
import type { PyValue } from "../python-value.ts";
import { nemotronV3Reasoning, qwen3Reasoning, seedOssReasoning } from "../reasoning/engine-families.ts";
import { step3p5Reasoning } from "../reasoning/step3.ts";
import { type ParameterSyntax, readTaggedParameters } from "../tagged-parameters.ts";
import { TokenFinder } from "../token-finder.ts";
import type { ToolFormat } from "../tool-format.ts";
import { isUnknownTool } from "../tool-schemas.ts";

const FUNCTION = "<function=";
const END_FUNCTION = "</function>";

const PARAMETER: ParameterSyntax = {
  openPrefix: /<[ \t\r\n]*parameter[ \t\r\n]*=/y,
  readHeader: (header) => (isBlank(header) ? null : { key: strip(header), attribute: null }),
  close: /<[ \t\r\n]*\/[ \t\r\n]*parameter[ \t\r\n]*>/y,
};

export interface QwenXmlTags {
  open: string;
  close: string;
  think: ThinkTags | null;
  /** A wrapper without a function: the whole text is content, or the content ends at it. */
  bareWrapper: "content" | "ends_content";
  /** Text between calls is content too, and none is trimmed; text behind the last one is not. */
  contentAround?: boolean;
  /** A closing tag of the function or the wrapper ends a value that has no end of its own, and the value counts. */
  outerTagEndsValue?: boolean;
}

/** Reads the grammar with the family's own wrapper tags. */
export function extractQwenXml(text: string, options: ParseOptions, tags: QwenXmlTags): Extraction {
  const finder = new TokenFinder(text);
  const result = new Extraction(text);
  const terminals = [tags.open, FUNCTION];
  let at = 0;
  for (;;) {
    const found = finder.first(terminals, at);
    keepText(result, finder, at, found?.at ?? text.length, tags);
    if (found === null) break;
    let nameStart = found.at + found.token.length;
    if (found.token === tags.open) {
      const inside = finder.first([FUNCTION, tags.close], nameStart);
      if (inside?.token === tags.close) {
        at = inside.at + tags.close.length;
        if (isBlank(text.slice(nameStart, inside.at))) result.cover(found.at, at);
        else result.problem("no_name", `A ${tags.open} block without ${FUNCTION}.`, found.at, at);
        continue;
      }
      if (inside === null) {
        if (result.calls.length === 0 && tags.bareWrapper === "content")
          return Extraction.raw(text, "no_name", `${tags.open} without ${FUNCTION}.`);
        result.problem("no_name", `${tags.open} without ${FUNCTION}.`, found.at, text.length);
        break;
      }
      if (isBlank(text.slice(nameStart, inside.at))) result.cover(found.at, inside.at);
      else result.cover(found.at, nameStart);
      nameStart = inside.at + FUNCTION.length;
    }
    const end = readFunction(result, finder, nameStart, options, tags);
    if (end === null) {
      if (result.calls.length === 0)
        return Extraction.raw(text, "truncated", "The text ends inside a function's name.");
      result.problem("truncated", "The text ends inside a function's name.", nameStart - FUNCTION.length, text.length);
      break;
    }
    const after = skipSpace(text, end);
    at = text.startsWith(tags.close, after) ? after + tags.close.length : end;
    result.cover(end, at);
  }
  if (result.calls.length > 0 && !tags.contentAround) result.trimContent();
  return result;
}

function keepText(result: Extraction, finder: TokenFinder, start: number, end: number, tags: QwenXmlTags): void {
  if (!tags.contentAround || result.calls.length === 0) keepBeforeCalls(result, finder, start, end, tags.think);
  else if (end === finder.text.length || isBlank(finder.text.slice(start, end))) return;
  else if (![tags.close, END_FUNCTION, "</parameter>"].some((stray) => finder.nextOrEnd(stray, start) < end))
    result.keep(start, end);
}

/** Reads one function whose name starts at `nameStart`; gives the position after it, null if its name has no end. */
function readFunction(
  result: Extraction,
  finder: TokenFinder,
  nameStart: number,
  options: ParseOptions,
  tags: QwenXmlTags,
): number | null {
  const { text } = finder;
  const start = nameStart - FUNCTION.length;
  const closeAt = finder.next(END_FUNCTION, nameStart);
  const nameEnd = finder.next(">", nameStart);
  if (nameEnd === -1) return null;
  if (closeAt !== -1 && closeAt < nameEnd) {
    const end = closeAt + END_FUNCTION.length;
    addCall(result, options, strip(text.slice(nameStart, closeAt)), [], start, end);
    return end;
  }
  const name = strip(text.slice(nameStart, nameEnd));
  const wrapperAt = tags.outerTagEndsValue ? finder.nextOrEnd(tags.close, nameEnd) : text.length;
  const limit = Math.min(closeAt === -1 ? text.length : closeAt, wrapperAt);
  const read = readTaggedParameters(finder, nameEnd + 1, limit, PARAMETER, [tags.close, tags.open, FUNCTION]);
  const closed = read.stoppedAt === closeAt;
  const end = closed ? closeAt + END_FUNCTION.length : read.stoppedAt;
  const entries = read.parameters.map(({ key, value }): [string, PyValue] => [
    key,
    coerceParameter(withoutEdgeNewlines(value), options.tools, name, key),
  ]);
  let { unfinished } = read;
  if (unfinished !== null && tags.outerTagEndsValue && limit < text.length) {
    const value = withoutEdgeNewlines(text.slice(unfinished.valueStart, limit));
    entries.push([unfinished.key, coerceParameter(value, options.tools, name, unfinished.key)]);
    result.cover(unfinished.start, limit);
    unfinished = null;
  }
  addCall(result, options, name, entries, start, end);
  result.replacedParts(read.parameters, "last");
  if (unfinished !== null)
    result.problem(
      closed ? "malformed" : "truncated",
      `The value of "${unfinished.key}" of ${name} has no end; it is left out.`,
      unfinished.start,
      read.stoppedAt,
    );
  result.strayText(nameEnd + 1, read.unfinished?.start ?? read.stoppedAt, read.parameters);
  return end;
}

function addCall(
  result: Extraction,
  options: ParseOptions,
  name: string,
  entries: [string, PyValue][],
  start: number,
  end: number,
): void {
  if (name === "") result.problem("no_name", "A function without a name.", start, end);
  else if (options.reasoning && isUnknownTool(options.tools, name))
    result.problem("unknown_tool", `The tool "${name}" was not offered.`, start, end);
  else result.call({ name, arguments: dumpMap(entries) }, start, end);
}

function withoutEdgeNewlines(value: string): string {
  const start = value.startsWith("\n") ? 1 : 0;
  return value.slice(start, value.endsWith("\n") && value.length > start ? -1 : undefined);
}

const QWEN: QwenXmlTags = {
  open: "<tool_call>",
  close: "</tool_call>",
  think: { open: null, close: "</think>" },
  bareWrapper: "content",
};

function format(name: string, tags: QwenXmlTags, reasoning: ReasoningParser, aliases: readonly string[]): ToolFormat {
  return { name, aliases, reasoning, extract: (text, options) => extractQwenXml(text, options, tags) };
}

export const qwen3Coder = format("qwen3_coder", QWEN, qwen3Reasoning, ["mimo", "granite_thinking", "nanbeige"]);
export const qwen3Xml = format("qwen3_xml", { ...QWEN, bareWrapper: "ends_content" }, qwen3Reasoning, []);
export const nemotronV3 = format("nemotron_v3", QWEN, nemotronV3Reasoning, ["nemotron_3"]);
export const seedOss = format(
  "seed_oss",
  { ...QWEN, open: "<seed:tool_call>", close: "</seed:tool_call>", think: { open: null, close: "</seed:think>" } },
  seedOssReasoning,
  [],
);

/** Step 3.5's reference reads the grammar tag by tag, so it keeps more text than the others. */
export const step3p5 = format(
  "step3p5",
  { ...QWEN, bareWrapper: "content", contentAround: true, outerTagEndsValue: true, think: null },
  step3p5Reasoning,
  [],
);
