/** Hunyuan A13B: think and answer blocks on lines of their own; without both opening tags everything is content. */
import type { ReasoningParser } from "../contract.ts";

const THINK = "<think>\n";
const ANSWER = "\n</think>\n<answer>\n";
const END = "\n</answer>";

export const hunyuanA13bReasoning: ReasoningParser = {
  parse(text) {
    const start = text.indexOf(THINK);
    const middle = start === -1 ? -1 : text.indexOf(ANSWER, start + THINK.length - 1);
    if (middle === -1) return { reasoning: null, content: text || null };
    const answer = text.slice(middle + ANSWER.length);
    const close = answer.lastIndexOf(END);
    const before = text.slice(0, start);
    const after = close === -1 ? "" : answer.slice(close + END.length);
    const rest = [before, after].filter((piece) => piece.trim() !== "").join("\n");
    return {
      reasoning: text.slice(start + THINK.length, middle) || null,
      content: (close === -1 ? answer : answer.slice(0, close)) || null,
      ...(rest === "" ? {} : { rest }),
    };
  },
};
