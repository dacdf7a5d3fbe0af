/**
 * What one rollout gives, in two forms: what a `collectTrajectory` may return (little is required), and the finished form
 * that is recorded (every field present). `finished` turns the one into the other and never throws.
 */
import type { AgentResult, ManagedState, ToolErrorRecord, TurnRecord } from "../agent/index.ts";
import { type ChatMessage, LachesisError, noUsage, type Usage } from "../core/index.ts";
import {
  type Outcome,
  outcomeOfReward,
  type RewardValue,
  rewardError,
  type TokenSequence,
} from "../evaluation/index.ts";

/** What `collectTrajectory` returns. */
export interface Trajectory {
  /** The conversation, in the OpenAI form. */
  messages: ChatMessage[];
  /** A number, a boolean or a typed outcome. */
  reward: RewardValue;
  /** Exact tokens, one entry per sequence; several belong to one rollout when it branched. */
  sequences?: TokenSequence[] | null;
  /** Stop reason, usage and timings are taken from here where an agent ran. */
  result?: Partial<
    Pick<AgentResult, "stop_reason" | "turns_used" | "usage" | "timings" | "tool_errors" | "managed_state">
  >;
  /** Milliseconds that the reward took. */
  reward_ms?: number;
  /** Facts that belong to the rollout; kept beside its conversation. */
  metadata?: Record<string, unknown>;
}

/** A rollout that ended, as it is recorded. */
export interface FinishedTrajectory {
  messages: ChatMessage[];
  outcome: Outcome;
  sequences: TokenSequence[] | null;
  managed_state: ManagedState | null;
  stop_reason: string | null;
  turns_used: number;
  usage: Usage;
  tool_errors: ToolErrorRecord[];
  turns: TurnRecord[];
  model_ms: number;
  tool_ms: number;
  reward_ms: number;
  metadata?: Record<string, unknown>;
}

/** The finished form of what a `collectTrajectory` returned. */
export function finished(value: Trajectory): FinishedTrajectory {
  if (typeof value !== "object" || value === null || !Array.isArray(value.messages)) {
    const message = "collectTrajectory must return an object with `messages` and `reward`.";
    return withoutAgent(rewardError(new LachesisError("reward_error", message)));
  }
  const { result = {} } = value;
  return {
    messages: value.messages,
    outcome: outcomeOfReward(value.reward),
    sequences: value.sequences ?? null,
    managed_state: result.managed_state ?? null,
    stop_reason: result.stop_reason ?? null,
    turns_used: result.turns_used ?? result.timings?.turns.length ?? value.messages.filter(isAnswer).length,
    usage: result.usage ?? noUsage(),
    tool_errors: result.tool_errors ?? [],
    turns: result.timings?.turns ?? [],
    model_ms: result.timings?.model_ms ?? 0,
    tool_ms: result.timings?.tool_ms ?? 0,
    reward_ms: value.reward_ms ?? 0,
    ...(value.metadata && { metadata: value.metadata }),
  };
}

/** A rollout of which there is nothing but its end. */
export function withoutAgent(outcome: Outcome, messages: ChatMessage[] = []): FinishedTrajectory {
  return {
    messages,
    outcome,
    sequences: null,
    managed_state: null,
    stop_reason: null,
    turns_used: 0,
    usage: noUsage(),
    tool_errors: [],
    turns: [],
    model_ms: 0,
    tool_ms: 0,
    reward_ms: 0,
  };
}

function isAnswer(message: ChatMessage): boolean {
  return message.role === "assistant";
}
