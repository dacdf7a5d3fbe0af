/** How a request asks for reasoning. Effort or a token budget switch it on; effort wins. */
import type { ReasoningEffort, ReasoningOptions } from "./server-config.ts";

/** Reasoning tokens that each effort stands for. */
export const EFFORT_BUDGET: Readonly<Record<ReasoningEffort, number>> = {
  none: 1024,
  minimal: 3200,
  low: 6400,
  medium: 16_000,
  high: 25_600,
  xhigh: 30_400,
};

export const NO_REASONING_OPTIONS: ReasoningOptions = {
  thinking_mode: false,
  reasoning_effort: null,
  max_reasoning_tokens: null,
};

/**
 * The fields to merge into a chat request's body. api.openai.com takes a top-level effort and only temperature 1;
 * everyone else a `reasoning` object. Nothing is added when reasoning is not asked for.
 */
export function reasoningFields(options: ReasoningOptions, isOpenAI: boolean): Record<string, unknown> {
  const { thinking_mode, reasoning_effort: effort, max_reasoning_tokens: budget } = options;
  if (!thinking_mode && effort === null && budget === null) return {};
  if (isOpenAI) return { reasoning_effort: effort ?? effortFor(budget), temperature: 1 };
  if (effort !== null) return { reasoning: { enabled: true, effort } };
  if (budget !== null) return { reasoning: { enabled: true, max_tokens: budget } };
  return { reasoning: { enabled: true } };
}

/** The smallest effort whose budget covers the tokens; medium where no budget is given. */
function effortFor(budget: number | null): ReasoningEffort {
  if (budget === null) return "medium";
  const efforts = Object.entries(EFFORT_BUDGET) as [ReasoningEffort, number][];
  return efforts.find(([name, tokens]) => name !== "none" && tokens >= budget)?.[0] ?? "xhigh";
}
