/**
 * Kimi K3: the think channel up to its first end; the response channel's tags are markup of the content when no calls
 * follow. Without a think tag everything is content.
 */
import type { ReasoningParser } from "../contract.ts";

const OPEN = "<|open|>think<|sep|>";
const CLOSE = "<|close|>think<|sep|>";
const RESPONSE = "<|open|>response<|sep|>";
const RESPONSE_END = "<|close|>response<|sep|>";
const TOOLS = "<|open|>tools<|sep|>";

export const kimiK3Reasoning: ReasoningParser = {
  parse(text) {
    const open = text.indexOf(OPEN);
    const close = text.indexOf(CLOSE, Math.max(open, 0));
    if (open === -1 && close === -1) return { reasoning: null, content: unwrap(text) };
    const start = open === -1 ? 0 : open + OPEN.length;
    const before = text.slice(0, Math.max(open, 0));
    return {
      reasoning: text.slice(start, close === -1 ? text.length : close),
      content: close === -1 ? null : unwrap(text.slice(close + CLOSE.length)),
      ...(before.trim() === "" ? {} : { rest: before }),
    };
  },
};

function unwrap(text: string): string | null {
  if (text.includes(TOOLS)) return text;
  const inner = text.startsWith(RESPONSE) ? text.slice(RESPONSE.length) : text;
  const end = inner.indexOf(RESPONSE_END);
  return (end === -1 ? inner : inner.slice(0, end) + inner.slice(end + RESPONSE_END.length)) || null;
}
