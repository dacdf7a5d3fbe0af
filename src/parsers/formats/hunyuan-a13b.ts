/**
 * Hunyuan A13B: `<tool_calls>[…]</tool_calls>` outside think blocks; the first block that is a JSON array is taken. A
 * leading speaker's mark is dropped from answers without calls.
 */
import { Extraction } from "../extraction.ts";
import { readJson } from "../json-reader.ts";
import { type NamedCallRules, namedCall } from "../named-call.ts";
import type { PyValue } from "../python-value.ts";
import { hunyuanA13bReasoning } from "../reasoning/hunyuan-a13b.ts";
import { type TagBlock, tagBlocks } from "../tag-blocks.ts";
import { insideRegions, thinkRegions } from "../think-regions.ts";
import type { ToolFormat } from "../tool-format.ts";

const OPEN = "<tool_calls>";
const CLOSE = "</tool_calls>";
/** "Assistant:", as the model sometimes begins. */
const SPEAKER = "\u52a9\u624b\uff1a";
const RULES: NamedCallRules = {
  argumentKeys: ["arguments"],
  missingArguments: "refused",
  textArguments: "verbatim",
};

export const hunyuanA13b: ToolFormat = {
  name: "hunyuan_a13b",
  reasoning: hunyuanA13bReasoning,
  extract(text) {
    const inThink = insideRegions(thinkRegions(text));
    const blocks = tagBlocks(text, OPEN, CLOSE).filter((block) => !inThink(block.start));
    for (const block of blocks) {
      const read = block.closed ? readJson(text.slice(block.bodyStart, block.bodyEnd)) : null;
      if (read?.ok && Array.isArray(read.value) && read.value.length > 0) return takeBlock(text, block, read.value);
    }
    const [only] = blocks;
    if (blocks.length === 1 && only?.closed && /^\s*\[\s*\]\s*$/.test(text.slice(only.bodyStart, only.bodyEnd))) {
      const empty = takeBlock(text, only, []);
      empty.problem("malformed", "An empty list of calls.", only.start, only.end);
      return empty;
    }
    if (blocks.length > 0) {
      const cut = blocks.every((block) => !block.closed);
      return Extraction.raw(text, cut ? "truncated" : "malformed", `No ${OPEN} block is a JSON array of calls.`);
    }
    const result = new Extraction(text);
    const start = text.startsWith(SPEAKER) ? SPEAKER.length : 0;
    result.cover(0, start);
    result.keep(start, text.length);
    return result;
  },
};

function takeBlock(text: string, block: TagBlock, elements: readonly PyValue[]): Extraction {
  const result = new Extraction(text);
  result.keep(0, block.start);
  result.dropBlankContent();
  for (const element of elements) {
    const call = namedCall(element, RULES);
    if (call !== null) result.call(call, block.start, block.end);
    else result.problem("no_name", 'An element without "name" or "arguments".', block.start, block.end);
  }
  return result;
}
