/**
 * What the agent loop asks of whoever runs its tools. The loop knows nothing of sandboxes or registries, so it can be
 * used outside environments with a handler of the caller's own.
 */
import type { LachesisError, ToolCall } from "../core/index.ts";

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
  error?: string | null;
  /** Length of the result before its size was controlled; absent: the content's length. */
  resultChars?: number;
  /** Set when the rollout cannot go on: its sandbox died. */
  fatal?: LachesisError | null;
}

export interface ToolHandler {
  /** Runs one call. A thrown error becomes the call's result and a tool error. */
  execute(call: ToolCall, info: ToolHandlerCall): Promise<ToolOutcome>;
  /** Whether a call of this tool may run beside its neighbours in the turn. Absent: yes. */
  parallel?(name: string): boolean;
  /** Shortens the results of one turn to the turn's budget; gives the contents in order. */
  fitTurn?(calls: readonly ToolCall[], outcomes: readonly ToolOutcome[]): Promise<string[]>;
}
