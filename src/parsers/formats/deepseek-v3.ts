/**
 * DeepSeek V3 and R1 (`TYPE sep NAME`, the arguments in a JSON fence) and V3.1 (`NAME sep ARGUMENTS`), both in one
 * section of calls. Arguments are verbatim. A section in which no call can be read leaves the whole text as content.
 */
import type { ReasoningParser } from "../contract.ts";
import { Extraction } from "../extraction.ts";
import { strip } from "../python-strings.ts";
import { deepseekV3Reasoning } from "../reasoning/deepseek-v3.ts";
import { TokenFinder } from "../token-finder.ts";
import type { ToolFormat } from "../tool-format.ts";

const token = (words: string): string => `<\uff5c${words.replaceAll(" ", "\u2581")}\uff5c>`;

const SECTION = token("tool calls begin");
const SECTION_END = token("tool calls end");
const CALL = token("tool call begin");
const SEPARATOR = token("tool sep");
const CALL_END = token("tool call end");

interface NamedArguments {
  name: string;
  arguments: string;
}

function format(
  name: string,
  aliases: readonly string[],
  reasoning: ReasoningParser,
  readCall: (beforeSeparator: string, afterSeparator: string) => NamedArguments | null,
): ToolFormat {
  return {
    name,
    aliases,
    reasoning,
    extract(text) {
      const finder = new TokenFinder(text);
      const section = finder.next(SECTION, 0);
      if (section === -1) return Extraction.raw(text);
      const result = new Extraction(text);
      result.keep(0, section);
      for (const marker of [SECTION, SECTION_END]) {
        for (let at = finder.next(marker, section); at !== -1; at = finder.next(marker, at + marker.length))
          result.cover(at, at + marker.length);
      }
      let at = finder.next(CALL, section);
      while (at !== -1) {
        const bodyStart = at + CALL.length;
        const bodyEnd = finder.next(CALL_END, bodyStart);
        const separator = finder.next(SEPARATOR, bodyStart);
        const end = bodyEnd === -1 ? text.length : bodyEnd + CALL_END.length;
        const read =
          bodyEnd === -1 || separator === -1 || separator >= bodyEnd
            ? null
            : readCall(text.slice(bodyStart, separator), text.slice(separator + SEPARATOR.length, bodyEnd));
        if (read !== null && read.name !== "") result.call(read, at, end);
        else if (bodyEnd === -1) result.problem("truncated", "The text ends inside a call.", at, end);
        else result.problem("malformed", "A call that is not of the format.", at, end);
        at = finder.next(CALL, end);
      }
      if (result.calls.length > 0) return result;
      const [problem] = result.problems;
      return Extraction.raw(text, problem?.reason ?? "malformed", problem?.message ?? "A section without calls.");
    },
  };
}

const FENCE = "```";

/** NAME, then the arguments in a fence marked `json`. */
function readFenced(_type: string, rest: string): NamedArguments | null {
  const open = rest.indexOf(`${FENCE}json`);
  const close = rest.lastIndexOf(FENCE);
  if (open === -1 || close <= open) return null;
  return { name: strip(rest.slice(0, open)), arguments: strip(rest.slice(open + FENCE.length + 4, close)) };
}

export const deepseekV3 = format("deepseek_v3", ["deepseekv3", "deepseek_r1"], deepseekV3Reasoning, readFenced);

export const deepseekV31 = format(
  "deepseek_v3_1",
  ["deepseek_v31", "deepseekv31"],
  deepseekV3Reasoning,
  (name, args) => ({ name: strip(name), arguments: strip(args) }),
);
