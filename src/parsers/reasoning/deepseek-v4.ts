/**
 * DeepSeek V4: the state machine where the template was told to think. Not told, the text decides: a closing tag means
 * that the prompt had opened reasoning.
 */
import type { ReasoningParser } from "../contract.ts";
import { type ReasoningRules, reasoningMachine } from "./state-machine.ts";

const RULES: ReasoningRules = {
  open: "<think>",
  close: "</think>",
  toolStart: ["<\uff5cDSML\uff5ctool_calls>", "<\uff5cDSML\uff5c calls>"],
  startsInReasoning: true,
  reopens: true,
  trimEnd: true,
};
const thinking = reasoningMachine(RULES);
const chat = reasoningMachine({ ...RULES, startsInReasoning: false });

export const deepseekV4Reasoning: ReasoningParser = {
  parse(text, options = {}) {
    const kwargs = options.templateKwargs ?? {};
    const told = kwargs.thinking ?? kwargs.enable_thinking;
    if (told === false || kwargs.reasoning_effort === "none") return { reasoning: null, content: text || null };
    return (told === true || text.includes("</think>") ? thinking : chat).parse(text);
  },
};
