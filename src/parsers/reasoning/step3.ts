/**
 * Step 3 and 3.5: the plain rule, with differences. Step 3 leaves the opening tag in the reasoning; Step 3.5 takes one
 * newline before and one behind the closing tag as markup.
 */
import type { ReasoningParser } from "../contract.ts";
import { thinkFirstBlock } from "./first-block.ts";

const CLOSE = "</think>";

export const step3Reasoning: ReasoningParser = {
  parse(text) {
    const close = text.indexOf(CLOSE);
    if (close === -1) return { reasoning: text, content: null };
    return { reasoning: text.slice(0, close), content: text.slice(close + CLOSE.length) || null };
  },
};

export const step3p5Reasoning: ReasoningParser = {
  parse(text) {
    const split = thinkFirstBlock.parse(text);
    return {
      ...split,
      reasoning: split.reasoning?.replace(/\n$/, "") || null,
      content: split.content?.replace(/^\n/, "") || null,
    };
  },
};
