/** Ernie 4.5: the plain rule; an answer's `<response>` wrapper is markup. */
import type { ReasoningParser } from "../contract.ts";
import { thinkFirstBlock } from "./first-block.ts";

const WRAPPER = /^\s*<response>\n?([\s\S]*?)\n?(?:<\/response>\s*)?$/;

export const ernie45Reasoning: ReasoningParser = {
  parse(text) {
    const split = thinkFirstBlock.parse(text);
    if (split.content === null) return split;
    return { ...split, content: (WRAPPER.exec(split.content)?.[1] ?? split.content) || null };
  },
};
