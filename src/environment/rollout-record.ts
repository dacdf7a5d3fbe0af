/** The lines that a finished rollout leaves: the journal's, the transcript's, an evaluation's sample; and back again. */

import { textOf } from "../core/index.ts";
import type { Outcome, RolloutRecord, SampleLine, ToolSchemas, TranscriptLine } from "../evaluation/index.ts";
import type { RolloutFacts } from "../metrics/index.ts";
import type { MemberEnd, MemberIdentity } from "./member.ts";
import type { FinishedTrajectory } from "./trajectory.ts";

/** @param maxTokens Longest sequence that counts; null is no limit. */
export function recordOf(
  identity: MemberIdentity,
  end: MemberEnd,
  maxTokens: number | null,
  category?: string | null,
): RolloutRecord {
  const { trajectory } = end;
  return {
    type: "rollout",
    item_id: identity.itemId,
    group_id: identity.groupId,
    rollout_id: identity.id,
    member: identity.member,
    seed: identity.seed,
    outcome: withinLength(trajectory, maxTokens),
    stop_reason: trajectory.stop_reason,
    turns_used: trajectory.turns_used,
    usage: trajectory.usage,
    timings: {
      started_at: end.startedAt.toISOString(),
      total_ms: rounded(end.totalMs),
      model_ms: rounded(trajectory.model_ms),
      tool_ms: rounded(trajectory.tool_ms),
      reward_ms: rounded(trajectory.reward_ms),
    },
    tool_errors: trajectory.tool_errors,
    tries: end.tries,
    ...(end.metrics && { metrics: end.metrics }),
    ...(category !== undefined && { category }),
  };
}

/** A sequence that is longer than what trainers take is never dropped in silence: it is unscored, and counted. */
function withinLength({ outcome, sequences, turns }: FinishedTrajectory, maxTokens: number | null): Outcome {
  if (outcome.kind !== "scored" || maxTokens === null) return outcome;
  const last = turns.at(-1)?.usage;
  // Servers that give no tokens say how many there were.
  const lengths = sequences?.map(({ tokens }) => tokens.length) ?? [
    (last?.prompt_tokens ?? 0) + (last?.completion_tokens ?? 0),
  ];
  const longest = Math.max(0, ...lengths);
  return longest > maxTokens ? { kind: "unscored", reason: "too_long" } : outcome;
}

export function transcriptOf(id: string, trajectory: FinishedTrajectory): TranscriptLine {
  const { messages, turns, sequences, metadata } = trajectory;
  return { rollout_id: id, messages, turns, sequences, ...(metadata && { metadata }) };
}

/** @param tools As the model saw them; null where it had none. */
export function sampleOf(record: RolloutRecord, trajectory: FinishedTrajectory, tools: ToolSchemas | null): SampleLine {
  const { messages, turns, metadata } = trajectory;
  const { outcome } = record;
  return {
    item_id: record.item_id,
    attempt: record.member,
    rollout_id: record.rollout_id,
    prompt: textOf(messages.find(({ role }) => role === "user")?.content ?? ""),
    response: textOf(messages.findLast(({ role }) => role === "assistant")?.content ?? ""),
    messages,
    reward: outcome.kind === "scored" ? outcome.reward : null,
    outcome,
    stop_reason: record.stop_reason,
    turns_used: record.turns_used,
    usage: record.usage,
    category: record.category ?? null,
    turns,
    tools,
    ...(metadata && { metadata }),
  };
}

/** The finished rollout as it was, from the two lines that it left. */
export function restored(record: RolloutRecord, line: TranscriptLine): FinishedTrajectory {
  return {
    messages: line.messages,
    outcome: record.outcome,
    sequences: line.sequences,
    managed_state: null,
    stop_reason: record.stop_reason,
    turns_used: record.turns_used,
    usage: record.usage,
    tool_errors: record.tool_errors,
    turns: line.turns,
    model_ms: record.timings.model_ms,
    tool_ms: record.timings.tool_ms,
    reward_ms: record.timings.reward_ms,
    ...(line.metadata && { metadata: line.metadata }),
  };
}

/** What the rollout adds to the metrics of its step. */
export function rolloutFacts({ outcome, usage, tool_errors, metrics }: RolloutRecord): RolloutFacts {
  return {
    completionTokens: usage.completion_tokens,
    reward: outcome.kind === "scored" ? outcome.reward : null,
    aborted: outcome.kind === "aborted",
    toolErrors: tool_errors,
    metrics: outcome.kind === "scored" ? (metrics ?? {}) : {},
  };
}

/** Milliseconds with microseconds: more digits only fill disks. */
function rounded(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
