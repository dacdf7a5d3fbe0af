/**
 * Reasoning as vLLM's parser engine splits it: a text is in reasoning or in content, tags switch between the two and
 * vanish, and the family's first tool marker ends reasoning. Families differ in where they start, in what a second
 * opening tag means, and in whether trailing blanks of the reasoning are kept.
 */
import type { ReasoningParser, ReasoningResult } from "../contract.ts";
import { stripEnd } from "../python-strings.ts";
import { TokenFinder } from "../token-finder.ts";

export interface ReasoningRules {
  open: string;
  close: string;
  /** A label behind the opening tag that belongs to it. */
  label?: string;
  /** Markers of tool calls: they end reasoning, and nothing after them is looked at. */
  toolStart: readonly string[];
  /** Whether the prompt has opened the reasoning already. */
  startsInReasoning: boolean;
  /** A second opening tag in the content: reasoning again, or text. */
  reopens: boolean;
  /** Drop trailing blanks of the reasoning. */
  trimEnd: boolean;
  /** True if the chat template was told not to think: everything is content. */
  isOff?: undefined | ((kwargs: Readonly<Record<string, unknown>>) => boolean);
}

/** Thinking is on unless the template was told otherwise. */
export const thinkingOff = (kwargs: Readonly<Record<string, unknown>>): boolean =>
  kwargs.enable_thinking === false || kwargs.thinking === false;

export function reasoningMachine(rules: ReasoningRules): ReasoningParser {
  return {
    parse(text, options = {}): ReasoningResult {
      if (rules.isOff?.(options.templateKwargs ?? {})) return { reasoning: null, content: text || null };
      return split(text, rules);
    },
  };
}

function split(text: string, rules: ReasoningRules): ReasoningResult {
  const finder = new TokenFinder(text);
  const reasoning: string[] = [];
  const content: string[] = [];
  const terminals = [rules.open, rules.close, ...rules.toolStart];
  let inReasoning = rules.startsInReasoning;
  let opened = inReasoning;
  let at = 0;
  for (;;) {
    const found = finder.first(terminals, at);
    const piece = text.slice(at, found?.at ?? text.length);
    (inReasoning ? reasoning : content).push(piece);
    if (found === null) break;
    at = found.at + found.token.length;
    if (found.token === rules.close) {
      inReasoning = false;
    } else if (found.token !== rules.open) {
      content.push(text.slice(found.at));
      break;
    } else if (!inReasoning && opened && !rules.reopens) {
      content.push(found.token);
    } else {
      inReasoning = true;
      opened = true;
      if (rules.label !== undefined && text.startsWith(rules.label, at)) at += rules.label.length;
    }
  }
  const thought = reasoning.join("");
  return { reasoning: (rules.trimEnd ? stripEnd(thought) : thought) || null, content: content.join("") || null };
}
