/**
 * Reasoning between `<think>` and `</think>` for families that may or may not think, whatever the prompt said: without
 * a tag everything is content. A tool call's opening tag ends reasoning that has no end of its own.
 */
import type { ReasoningParser, ReasoningResult } from "../contract.ts";

/** The rule with other tags. `toolStart`: markers that end reasoning without a closing tag. */
export function optionalTags(open: string, close: string, toolStart: readonly string[]): ReasoningParser {
  return {
    parse(text): ReasoningResult {
      const openAt = text.indexOf(open);
      const closeAt = text.indexOf(close, openAt === -1 ? 0 : openAt);
      if (closeAt !== -1 && (openAt === -1 || openAt < closeAt)) {
        const start = openAt === -1 ? 0 : openAt + open.length;
        return result(
          text.slice(0, Math.max(openAt, 0)),
          text.slice(start, closeAt),
          text.slice(closeAt + close.length),
        );
      }
      if (openAt === -1) return { reasoning: null, content: text || null };
      const start = openAt + open.length;
      const ends = toolStart.map((token) => text.indexOf(token, start)).filter((at) => at !== -1);
      const end = Math.min(text.length, ...ends);
      return result(text.slice(0, openAt), text.slice(start, end), text.slice(end));
    },
  };
}

function result(before: string, reasoning: string, after: string): ReasoningResult {
  return { reasoning: reasoning || null, content: before + after || null };
}

export const thinkTags = optionalTags("<think>", "</think>", ["<tool_call>"]);
