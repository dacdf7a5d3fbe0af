/** The families whose reasoning follows the one state machine, each with its tags and its differences. */
import type { ReasoningParser } from "../contract.ts";
import { type ReasoningRules, reasoningMachine, thinkingOff } from "./state-machine.ts";

const think: ReasoningRules = {
  open: "<think>",
  close: "</think>",
  toolStart: ["<tool_call>"],
  startsInReasoning: true,
  reopens: false,
  trimEnd: true,
  isOff: thinkingOff,
};

/** Qwen 3 and its XML tool calls: trailing blanks are kept. */
export const qwen3Reasoning = reasoningMachine({ ...think, trimEnd: false });

export const seedOssReasoning = reasoningMachine({
  ...think,
  open: "<seed:think>",
  close: "</seed:think>",
  toolStart: ["<seed:tool_call>"],
  trimEnd: false,
});

/** GLM 4.5 and later. */
export const glmReasoning = reasoningMachine({ ...think, reopens: true });

/** Ling 3: reasoning that is followed by nothing, not even a call, was the answer. */
export const ling3Reasoning: ReasoningParser = {
  parse(text, options) {
    const split = glmReasoning.parse(text, options);
    return split.content === null ? { reasoning: null, content: split.reasoning } : split;
  },
};

export const kimiK2Reasoning = reasoningMachine({ ...think, toolStart: ["<|tool_calls_section_begin|>"] });

export const minimaxM2Reasoning = reasoningMachine({ ...think, toolStart: ["<minimax:tool_call>"] });

const nemotronMachine = reasoningMachine({ ...think, isOff: undefined });

/** Nemotron 3: told not to think, or to give an answer in any case, its reasoning is the answer if there is no other. */
export const nemotronV3Reasoning: ReasoningParser = {
  parse(text, options = {}) {
    const split = nemotronMachine.parse(text);
    const kwargs = options.templateKwargs ?? {};
    const isAnswer = thinkingOff(kwargs) || kwargs.force_nonempty_content === true;
    return isAnswer && split.content === null ? { reasoning: null, content: split.reasoning } : split;
  },
};

export const mistralReasoning = reasoningMachine({
  ...think,
  open: "[THINK]",
  close: "[/THINK]",
  toolStart: ["[TOOL_CALLS]"],
  startsInReasoning: false,
  reopens: true,
});

/** Gemma 4 names its channel on a line of its own, which is no reasoning. */
export const gemma4Reasoning = reasoningMachine({
  open: "<|channel>",
  close: "<channel|>",
  label: "thought\n",
  toolStart: ["<|tool_call>"],
  startsInReasoning: false,
  reopens: true,
  trimEnd: true,
});

export const apertusReasoning = reasoningMachine({
  ...think,
  open: "<|inner_prefix|>",
  close: "<|inner_suffix|>",
  toolStart: ["<|tools_prefix|>"],
  startsInReasoning: false,
  reopens: true,
});
