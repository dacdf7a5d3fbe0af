/**
 * Hunyuan 3 and 4: the plain rule where a reasoning effort was asked for, no reasoning at all otherwise. Not told, the
 * text decides: it thinks if it has a closing tag.
 */
import type { ReasoningParser } from "../contract.ts";
import { thinkFirstBlock } from "./first-block.ts";

export const hyV3Reasoning: ReasoningParser = {
  parse(text, options = {}) {
    const effort = options.templateKwargs?.reasoning_effort;
    const thinks = typeof effort === "string" ? !["none", "no_think", ""].includes(effort) : text.includes("</think>");
    return thinks ? thinkFirstBlock.parse(text) : { reasoning: null, content: text || null };
  },
};
