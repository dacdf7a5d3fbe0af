/** Granite 3: plain sentences mark reasoning and answer; without both of them everything is content. */
import type { ReasoningParser } from "../contract.ts";

const START = /Here(?:'s| is) my thought process:/;
const END = /Here(?:'s| is) my response:/g;

export const graniteReasoning: ReasoningParser = {
  parse(text) {
    const start = START.exec(text);
    if (start === null) return { reasoning: null, content: text || null };
    END.lastIndex = start.index + start[0].length;
    const end = END.exec(text);
    if (end === null) return { reasoning: null, content: text };
    const before = text.slice(0, start.index);
    return {
      reasoning: text.slice(start.index + start[0].length, end.index) || null,
      content: text.slice(end.index + end[0].length) || null,
      ...(before.trim() === "" ? {} : { rest: before }),
    };
  },
};
