/**
 * What a session may spend, enforced where its calls arrive. A call is admitted before it is made and reserves what it
 * may use at most, so that calls side by side never exceed the budget together; what it did not use is given back.
 */
import { addUsage, type Clock, noUsage, type Usage } from "../../core/index.ts";
import { refusal } from "./wire-errors.ts";

/** null: no limit. */
export interface SessionBudgets {
  /** Answered model calls. */
  max_turns: number | null;
  /** Tokens of all calls together, prompts and answers. */
  token_budget: number | null;
  /** Length in tokens that a prompt and its answer may reach together. */
  max_trajectory_tokens: number | null;
  /** Longest answer of one call; what a client asks beyond it is cut. */
  max_tokens: number | null;
  /** Seconds since the session was made. */
  time_budget_s: number | null;
  /** US dollars; needs a server or price table that says what a call costs. */
  cost_budget_usd: number | null;
}

export const NO_BUDGETS: SessionBudgets = {
  max_turns: null,
  token_budget: null,
  max_trajectory_tokens: null,
  max_tokens: null,
  time_budget_s: null,
  cost_budget_usd: null,
};

/** Names of stop reasons that are budgets. */
export type BudgetName = "max_turns" | "token_budget" | "cost_budget" | "time_budget";

export interface Grant {
  /** Tokens that each answer may have. */
  maxTokens: number;
  /** True when the budget, and not the call's own limit, cuts the answer. */
  clamped: boolean;
  /** Gives back what was not used; null where the call failed and nothing is known to be spent. */
  settle(usage: Usage | null): void;
}

export interface Wanted {
  /** Tokens of the prompt; only asked for where the length is limited. */
  promptTokens(): number;
  maxTokens: number;
  n: number;
}

export class WireBudget {
  readonly limits: SessionBudgets;
  readonly #clock: Clock;
  readonly #started: number;
  readonly #expiry = new AbortController();
  readonly #timer: NodeJS.Timeout | null;
  #usage = noUsage();
  #turns = 0;
  #reserved = 0;
  #waiting: (() => void)[] = [];
  #ended: BudgetName | null = null;

  constructor(limits: SessionBudgets, clock: Clock) {
    this.limits = limits;
    this.#clock = clock;
    this.#started = clock.now();
    const seconds = limits.time_budget_s;
    this.#timer = seconds === null ? null : setTimeout(() => this.#expire(), Math.min(seconds * 1000, 2 ** 31 - 1));
    this.#timer?.unref();
  }

  /** Calls that were answered or are under way. */
  get turns(): number {
    return this.#turns;
  }

  get usage(): Usage {
    return this.#usage;
  }

  /** The budget that refused or cut a call; null so far. */
  get ended(): BudgetName | null {
    return this.#ended;
  }

  /** Aborts calls under way when the time is up. */
  get expired(): AbortSignal {
    return this.#expiry.signal;
  }

  /** Admits a call. Throws a final refusal whose code names the budget that is used up. */
  async admit(wanted: Wanted): Promise<Grant> {
    for (;;) {
      const grant = this.#tryAdmit(wanted);
      if (grant !== null) return grant;
      // What is left is reserved by calls under way; one of them may give some back.
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  /** Stops the clock of the time budget. */
  close(): void {
    if (this.#timer) clearTimeout(this.#timer);
    this.#wake();
  }

  /** Marks the budget that an answer ran into. */
  cut(): void {
    this.#ended = "token_budget";
  }

  #tryAdmit({ promptTokens, maxTokens, n }: Wanted): Grant | null {
    const { max_turns, token_budget, max_trajectory_tokens, cost_budget_usd, time_budget_s } = this.limits;
    if (time_budget_s !== null && this.#clock.now() - this.#started >= time_budget_s * 1000)
      throw this.#refuse("time_budget");
    if (max_turns !== null && this.#turns >= max_turns) throw this.#refuse("max_turns");
    const { cost_usd, total_tokens } = this.#usage;
    if (cost_budget_usd !== null && cost_usd !== null && cost_usd >= cost_budget_usd) throw this.#refuse("cost_budget");
    const longest = Math.min(maxTokens, this.limits.max_tokens ?? maxTokens);
    const limited = token_budget !== null || max_trajectory_tokens !== null;
    const prompt = limited ? promptTokens() : 0;
    const ofSequence = max_trajectory_tokens === null ? longest : max_trajectory_tokens - prompt;
    if (ofSequence <= 0) throw this.#refuse("token_budget");
    const afterThis = token_budget === null ? Number.POSITIVE_INFINITY : token_budget - total_tokens - prompt;
    if (afterThis < n) throw this.#refuse("token_budget");
    const free = Math.floor((afterThis - this.#reserved) / n);
    if (free < Math.min(longest, ofSequence) && this.#reserved > 0) return null;
    const granted = Math.min(longest, ofSequence, free);
    return this.#grant(granted, granted < longest, token_budget === null ? 0 : prompt + granted * n);
  }

  #grant(maxTokens: number, clamped: boolean, reserved: number): Grant {
    this.#turns++;
    this.#reserved += reserved;
    let open = true;
    const settle = (usage: Usage | null) => {
      if (!open) return;
      open = false;
      this.#reserved -= reserved;
      if (usage === null) this.#turns--;
      else this.#usage = this.#usage.total_tokens === 0 ? usage : addUsage(this.#usage, usage);
      this.#wake();
    };
    return { maxTokens, clamped, settle };
  }

  #expire(): void {
    this.#ended ??= "time_budget";
    this.#expiry.abort(this.#refuse("time_budget"));
    this.#wake();
  }

  #refuse(name: BudgetName) {
    this.#ended ??= name;
    return refusal(400, name, `The session's ${SAID[name]} is used up; no further call will be answered.`);
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}

const SAID: Record<BudgetName, string> = {
  max_turns: "number of turns (max_turns)",
  token_budget: "token budget",
  cost_budget: "cost budget",
  time_budget: "time budget",
};
