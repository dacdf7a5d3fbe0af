/**
 * MiniMax M1: one JSON object a line inside `<tool_calls>`, outside think blocks. Lines that are no call are passed
 * over; a missing end is fine for lines that are complete.
 */
import { Extraction } from "../extraction.ts";
import { readJson } from "../json-reader.ts";
import { type NamedCallRules, namedCall } from "../named-call.ts";
import { isBlank, skipSpaceBack } from "../python-strings.ts";
import { thinkTags } from "../reasoning/think-tags.ts";
import { tagBlocks } from "../tag-blocks.ts";
import { insideRegions, thinkRegions } from "../think-regions.ts";
import type { ToolFormat } from "../tool-format.ts";

const OPEN = "<tool_calls>";
const CLOSE = "</tool_calls>";
const RULES: NamedCallRules = {
  argumentKeys: ["arguments"],
  missingArguments: "refused",
  textArguments: "printed",
};

export const minimaxM1: ToolFormat = {
  name: "minimax",
  aliases: ["minimax_m1"],
  reasoning: thinkTags,
  extract(text) {
    const inThink = insideRegions(thinkRegions(text));
    const block = tagBlocks(text, OPEN, CLOSE).find((candidate) => !inThink(candidate.start));
    if (block === undefined) return Extraction.raw(text);
    const result = new Extraction(text);
    result.keep(0, block.start);
    result.trimContent();
    result.cover(block.start, block.bodyStart);
    result.cover(block.bodyEnd, block.end);
    for (let at = block.bodyStart; at < block.bodyEnd; ) {
      const newline = text.indexOf("\n", at);
      const end = newline === -1 || newline > block.bodyEnd ? block.bodyEnd : newline;
      readLine(result, at, skipSpaceBack(text, at, end), end === block.bodyEnd && !block.closed);
      at = end + 1;
    }
    return result;
  },
};

function readLine(result: Extraction, start: number, end: number, last: boolean): void {
  const line = result.text.slice(start, end);
  if (isBlank(line)) return;
  const read = readJson(line);
  const call = read.ok ? namedCall(read.value, RULES) : null;
  if (call !== null) result.call(call, start, end);
  else if (!read.ok && read.truncated && last) result.problem("truncated", "The text ends inside a call.", start, end);
  else result.problem("malformed", "A line that is no call.", start, end);
}
