/**
 * Kimi K2: `<|tool_call_begin|>functions.NAME:INDEX<|tool_call_argument_begin|>JSON<|tool_call_end|>` inside a section.
 * The header is the call's id, the arguments are verbatim. A call that the text cuts off keeps its cut arguments.
 */

import { keepBeforeCalls } from "../engine-content.ts";
import { Extraction } from "../extraction.ts";
import { strip } from "../python-strings.ts";
import { kimiK2Reasoning } from "../reasoning/engine-families.ts";
import { TokenFinder } from "../token-finder.ts";
import type { ToolFormat } from "../tool-format.ts";
import { isUnknownTool } from "../tool-schemas.ts";

const SECTION = "<|tool_calls_section_begin|>";
const SECTION_END = "<|tool_calls_section_end|>";
const CALL = "<|tool_call_begin|>";
const ARGUMENTS = "<|tool_call_argument_begin|>";
const CALL_END = "<|tool_call_end|>";
const THINK = { open: null, close: "</think>" };
const ID = /^(?:functions\.)?(.*):\d+$/s;

export const kimiK2: ToolFormat = {
  name: "kimi_k2",
  reasoning: kimiK2Reasoning,
  extract(text, options) {
    const finder = new TokenFinder(text);
    const result = new Extraction(text);
    let at = 0;
    for (;;) {
      const section = finder.next(SECTION, at);
      keepBeforeCalls(result, finder, at, section === -1 ? text.length : section, THINK);
      if (section === -1) break;
      result.cover(section, section + SECTION.length);
      at = readSection(result, finder, section + SECTION.length, (name) =>
        Boolean(options.reasoning && isUnknownTool(options.tools, name)),
      );
    }
    if (result.calls.length > 0) result.dropBlankContent();
    return result;
  },
};

/** Reads the calls of one section; gives the position after it. */
function readSection(
  result: Extraction,
  finder: TokenFinder,
  start: number,
  isRefused: (name: string) => boolean,
): number {
  const { text } = finder;
  let at = start;
  for (;;) {
    const found = finder.first([CALL, SECTION_END], at);
    if (found === null) return text.length;
    if (found.token === SECTION_END) {
      result.cover(found.at, found.at + SECTION_END.length);
      return found.at + SECTION_END.length;
    }
    const idStart = found.at + CALL.length;
    const header = finder.first([ARGUMENTS, CALL_END, SECTION_END], idStart);
    if (header?.token !== ARGUMENTS) {
      at = header === null ? text.length : header.token === CALL_END ? header.at + CALL_END.length : header.at;
      result.problem(header === null ? "truncated" : "malformed", "A call without arguments.", found.at, at);
      continue;
    }
    const argumentsStart = header.at + ARGUMENTS.length;
    const close = finder.first([CALL_END, SECTION_END], argumentsStart);
    const argumentsEnd = close?.at ?? text.length;
    at = close?.token === CALL_END ? close.at + CALL_END.length : argumentsEnd;
    const id = strip(text.slice(idStart, header.at));
    const name = ID.exec(id)?.[1];
    if (!name) {
      result.problem("no_name", `"${id.slice(0, 100)}" is not of the form functions.NAME:INDEX.`, found.at, at);
    } else if (isRefused(name)) {
      result.problem("unknown_tool", `The tool "${name}" was not offered.`, found.at, at);
    } else {
      result.call({ name, arguments: strip(text.slice(argumentsStart, argumentsEnd)) || "{}", id }, found.at, at);
      if (close === null)
        result.problem("truncated", `The text ends inside the arguments of ${name}.`, argumentsStart, argumentsEnd);
    }
  }
}
