/** What a run of an agent takes and gives. `AgentResult` keeps the reference's snake_case names. */
import type { ChatMessage, LachesisError, Usage } from "../core/index.ts";
import type { FinishReason } from "../inference/index.ts";

export const STOP_REASONS = [
  "completed",
  "max_turns",
  "max_tokens",
  "context_overflow",
  "token_budget",
  "cost_budget",
  "time_budget",
  "tool_loop",
  "model_error",
  "cancelled",
] as const;

/** Why the agent stopped. Only `completed` is a natural end. */
export type StopReason = (typeof STOP_REASONS)[number];

/** One failed tool call, as it is kept for logs and metrics. */
export interface ToolErrorRecord {
  /** 1-based. */
  turn: number;
  /** 0-based place among the calls of its turn. */
  call_index: number;
  tool_name: string;
  /** Argument text, cut to 200 characters. */
  arguments: string;
  error: string;
  /** What the model was told, cut to 500 characters. */
  tool_result: string;
}

export interface ToolCallTiming {
  name: string;
  ms: number;
  /** Characters of the result before and after size control. */
  result_chars: number;
  sent_chars: number;
}

export interface TurnRecord {
  turn: number;
  finish_reason: FinishReason;
  usage: Usage;
  /** Milliseconds of the model call, retries included. */
  model_ms: number;
  attempts: number;
  tools: ToolCallTiming[];
}

export interface AgentTimings {
  total_ms: number;
  model_ms: number;
  tool_ms: number;
  turns: TurnRecord[];
}

/** One node of the token view (issue: rollout graph), in the shape that the reference's reward code knows. */
export interface ManagedNode {
  full_text: string;
  tokens: number[];
  /** −100 where the token was not sampled by the policy. */
  masked_tokens: number[];
  /** 1.0 where masked. */
  logprobs: number[];
  metadata: { finish_reason: FinishReason | null; weight_version: number | null };
}

export interface ManagedState {
  nodes: ManagedNode[];
}

export interface AgentResult {
  /** The whole conversation, in the OpenAI form; every tool call is answered. */
  messages: ChatMessage[];
  /** Model calls that were made, a failed one included. */
  turns_used: number;
  /** True only for stop_reason `completed`. */
  finished_naturally: boolean;
  /** One entry per answer. */
  reasoning_per_turn: (string | null)[];
  tool_errors: ToolErrorRecord[];
  /** null where the server gives no tokens. */
  managed_state: ManagedState | null;
  stop_reason: StopReason;
  /** Set with stop_reason `model_error` and `cancelled`. */
  error: LachesisError | null;
  usage: Usage;
  timings: AgentTimings;
}
