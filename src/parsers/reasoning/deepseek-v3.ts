/**
 * DeepSeek V3 to V3.2: the plain rule where the template was told to think, no reasoning at all otherwise. Without
 * template arguments the text decides: it thinks if it has a closing tag or begins with the opening one.
 */
import type { ReasoningParser } from "../contract.ts";
import { thinkFirstBlock } from "./first-block.ts";

export const deepseekV3Reasoning: ReasoningParser = {
  parse(text, options = {}) {
    const kwargs = options.templateKwargs ?? {};
    const told = kwargs.thinking ?? kwargs.enable_thinking;
    const thinks =
      typeof told === "boolean" ? told : text.includes("</think>") || text.trimStart().startsWith("<think>");
    return thinks ? thinkFirstBlock.parse(text) : { reasoning: null, content: text || null };
  },
};
