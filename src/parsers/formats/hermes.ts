/**
 * Hermes: one JSON object `{"name", "arguments"}` between `<tool_call>` and `</tool_call>`, as Hermes, Qwen 2.5 and
 * Qwen 3 write it. All blocks are good or none is taken: a bad one leaves the whole text as content.
 */
import type { ReasoningParser } from "../contract.ts";
import { Extraction } from "../extraction.ts";
import { readJson } from "../json-reader.ts";
import { type NamedCallRules, namedCall } from "../named-call.ts";
import { thinkTags } from "../reasoning/think-tags.ts";
import { tagBlocks } from "../tag-blocks.ts";
import type { ToolFormat } from "../tool-format.ts";

const RULES: NamedCallRules = {
  argumentKeys: ["arguments"],
  missingArguments: "refused",
  textArguments: "printed",
};

/** The format with tags of its own, for families that differ from Hermes in nothing else. */
export function jsonInTags(
  name: string,
  open: string,
  close: string,
  reasoning: ReasoningParser,
  aliases: readonly string[] = [],
): ToolFormat {
  return {
    name,
    aliases,
    reasoning,
    extract(text) {
      const blocks = tagBlocks(text, open, close);
      const first = blocks[0];
      if (first === undefined) return Extraction.raw(text);
      const extraction = new Extraction(text);
      extraction.keep(0, first.start);
      for (const block of blocks) {
        const read = readJson(text.slice(block.bodyStart, block.bodyEnd));
        if (!read.ok) {
          const truncated = read.truncated && !block.closed;
          return Extraction.raw(
            text,
            truncated ? "truncated" : "malformed",
            truncated
              ? `The text ends inside the JSON of a ${open} block.`
              : `A ${open} block at ${block.start} is not JSON (position ${block.bodyStart + read.at}).`,
          );
        }
        const call = namedCall(read.value, RULES);
        if (call === null)
          return Extraction.raw(text, "no_name", `A ${open} block at ${block.start} lacks "name" or "arguments".`);
        extraction.call(call, block.start, block.end);
      }
      return extraction;
    },
  };
}

export const hermes = jsonInTags("hermes", "<tool_call>", "</tool_call>", thinkTags, ["qwen", "qwen25", "qwen3"]);
