/**
 * What the agent loop asks of whoever runs its tools. The loop knows nothing of sandboxes or registries, so it can be
 * used outside environments with a handler of the caller's own.
 */
import type { LachesisError, ToolCall } from "../core/index.ts";
import type { ToolCallTiming } from "./contract.ts";

export interface ToolHandlerCall {
  /** 1-based. */
  turn: number;
  /** 0-based place among the calls of the turn. */
  index: number;
  signal: AbortSignal;
}

export interface ToolOutcome {
  /** What the model is told. */
  content: string;
  /** Set when the call counts as a tool error; says what was wrong. */
  error?: string;
  /** Set when the rollout cannot go on: its sandbox died. */
  fatal?: LachesisError;
  /** Absent: the loop measures. */
  timing?: ToolCallTiming;
}

export interface ToolHandler {
  /**
   * Runs one call. The calls of a turn are started together, in their order; a handler whose calls depend on each other
   * lets them wait. A thrown error becomes the call's result and a tool error.
   */
  execute(call: ToolCall, info: ToolHandlerCall): Promise<ToolOutcome>;
  /** Shortens the results of one turn to the turn's budget; gives as many, in the same order. */
  fitTurn?(outcomes: readonly ToolOutcome[]): Promise<readonly ToolOutcome[]>;
}
