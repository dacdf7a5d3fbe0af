/** Olmo 3: an optional opening tag at the very beginning and a closing tag; without the latter everything is content. */
import type { ReasoningParser } from "../contract.ts";

const OPEN = "<think>";
const CLOSE = "</think>";

export const olmo3Reasoning: ReasoningParser = {
  parse(text) {
    const start = text.startsWith(OPEN) ? OPEN.length : 0;
    const close = text.indexOf(CLOSE, start);
    if (close === -1) return { reasoning: null, content: text || null };
    return { reasoning: text.slice(start, close) || null, content: text.slice(close + CLOSE.length) || null };
  },
};
