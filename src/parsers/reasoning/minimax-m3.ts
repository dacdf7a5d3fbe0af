/**
 * MiniMax M3: the first `<mm:think>` block; the text before it is content. With `thinking_mode: "enabled"` the prompt
 * has opened the block, with `"disabled"` everything is content. Tool calls do not end it.
 */
import type { ReasoningParser } from "../contract.ts";

const OPEN = "<mm:think>";
const CLOSE = "</mm:think>";

export const minimaxM3Reasoning: ReasoningParser = {
  parse(text, options = {}) {
    const mode = options.templateKwargs?.thinking_mode;
    if (mode === "disabled") return { reasoning: null, content: text || null };
    const open = text.indexOf(OPEN);
    if (open === -1 && mode !== "enabled") return { reasoning: null, content: text };
    const start = open === -1 ? 0 : open + OPEN.length;
    const close = text.indexOf(CLOSE, start);
    const before = text.slice(0, Math.max(open, 0));
    return {
      reasoning: text.slice(start, close === -1 ? text.length : close),
      content: before + (close === -1 ? "" : text.slice(close + CLOSE.length)) || null,
    };
  },
};
