/**
 * What a rollout may spend. Budgets are looked at before each model call, so the last answer is never thrown away; the
 * length of the next answer is cut to what remains.
 */
import { type ChatMessage, textOf, type Usage } from "../core/index.ts";
import type { StopReason } from "./contract.ts";

export interface AgentBudgets {
  /** Tokens of all calls together, prompt and completion. null: no limit. */
  tokens?: number | null;
  /** US dollars; needs a server or price table that says what a call costs. null: no limit. */
  costUsd?: number | null;
  /** Milliseconds of the whole run. null: no limit. */
  timeMs?: number | null;
  /** Length in tokens that the whole sequence may reach. null: no limit. */
  trajectoryTokens?: number | null;
}

/** Characters that a token is assumed to hold where no tokenizer is at hand. Low on purpose: it must not underestimate. */
const CHARS_PER_TOKEN = 3;

export class BudgetMeter {
  readonly #budgets: AgentBudgets;
  /** Tokens of the sequence up to the last answer. */
  #sequence = 0;
  /** Estimated tokens of calls whose usage the server did not say. */
  #unreported = 0;

  constructor(budgets: AgentBudgets) {
    this.#budgets = budgets;
  }

  /** True when the length of the next prompt matters. */
  get limitsLength(): boolean {
    return this.#budgets.tokens != null || this.#budgets.trajectoryTokens != null;
  }

  /**
   * Notes a call. A server that says no usage spends no less for it: its tokens are estimated.
   * @param prompt The estimate that was made of the prompt.
   */
  record(last: Usage, prompt: number, answer: ChatMessage): void {
    const said = last.prompt_tokens + last.completion_tokens;
    const spent = said > 0 ? said : prompt + Math.ceil(charactersOf(answer) / CHARS_PER_TOKEN);
    if (said === 0) this.#unreported += spent;
    this.#sequence = spent;
  }

  /** An estimate of the next prompt's length; `fresh` are the messages that no call has seen yet. */
  estimatePrompt(fresh: readonly ChatMessage[]): number {
    const characters = fresh.reduce((sum, message) => sum + charactersOf(message), 0);
    return this.#sequence + Math.ceil(characters / CHARS_PER_TOKEN);
  }

  /**
   * Whether the next call may be made, and how many tokens its answer may have.
   * @param used The run's usage so far.
   * @param prompt Tokens of the next prompt.
   * @param wanted The limit of one call; null for none.
   */
  next(used: Usage, prompt: number, wanted: number | null): BudgetDecision {
    const { tokens, costUsd, trajectoryTokens } = this.#budgets;
    if (costUsd != null && used.cost_usd !== null && used.cost_usd >= costUsd) return { stop: "cost_budget" };
    const remaining = Math.min(
      tokens == null ? Number.POSITIVE_INFINITY : tokens - used.total_tokens - this.#unreported - prompt,
      trajectoryTokens == null ? Number.POSITIVE_INFINITY : trajectoryTokens - prompt,
    );
    if (remaining <= 0) return { stop: "token_budget" };
    if (wanted !== null && wanted <= remaining) return { stop: null, maxTokens: wanted, clamped: false };
    if (remaining === Number.POSITIVE_INFINITY) return { stop: null, maxTokens: wanted, clamped: false };
    return { stop: null, maxTokens: remaining, clamped: true };
  }
}

/** `clamped`: the answer's length is limited by a budget and not by the call's own limit. */
export type BudgetDecision = { stop: StopReason } | { stop: null; maxTokens: number | null; clamped: boolean };

function charactersOf(message: ChatMessage): number {
  let characters = textOf(message.content).length + (message.reasoning_content?.length ?? 0);
  for (const call of message.tool_calls ?? []) characters += call.function.name.length + call.function.arguments.length;
  return characters;
}
