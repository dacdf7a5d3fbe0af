/**
 * The plain rule of most thinking models: text up to the first closing tag is reasoning, the opening tag may have been
 * part of the prompt, later tags are text. Without a closing tag everything is reasoning. Nothing is trimmed.
 */
import type { ReasoningParser, ReasoningResult } from "../contract.ts";

export function firstBlock(open: string, close: string): ReasoningParser {
  return {
    parse(text): ReasoningResult {
      const openAt = text.indexOf(open);
      const dropped = openAt === -1 ? "" : text.slice(0, openAt);
      const body = openAt === -1 ? text : text.slice(openAt + open.length);
      const closeAt = body.indexOf(close);
      return {
        reasoning: closeAt === -1 ? body : body.slice(0, closeAt),
        content: closeAt === -1 ? null : body.slice(closeAt + close.length) || null,
        ...(dropped.trim() === "" ? {} : { rest: dropped }),
      };
    },
  };
}

export const thinkFirstBlock = firstBlock("<think>", "</think>");
