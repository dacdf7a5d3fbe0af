/**
 * A group as a line of groups.jsonl: the v1 form that trainers and existing readers know, and ours beside it. Rows are
 * sequences; a rollout that branched has several, and `rollout_ids` says whose each row is. Scores and
 * log-probabilities are written as floats (`1.0`), because Python readers would take `1` for an integer.
 */
import type { ChatMessage } from "../core/index.ts";
import type { TokenSequence, ToolSchemas } from "./outcome.ts";
import type { RolloutRecord } from "./record.ts";

/** A rollout with all that is known of it. */
export interface GroupMember {
  record: RolloutRecord;
  messages: ChatMessage[];
  sequences: TokenSequence[] | null;
}

export interface GroupParts {
  group_id: string;
  item_id: string;
  seed: number;
  tools: ToolSchemas | null;
  toolsets: readonly string[] | null;
  generation_params: Record<string, unknown>;
  include_messages: boolean;
  /** All members, in order. Those that were not scored are only named. */
  members: readonly GroupMember[];
}

/** The line, without its line end. */
export function v1GroupLine(parts: GroupParts): string {
  const scored = parts.members.flatMap((member) =>
    member.record.outcome.kind === "scored" ? [{ ...member, reward: member.record.outcome.reward }] : [],
  );
  const rows = scored.flatMap((member) => (member.sequences ?? [null]).map((sequence) => ({ ...member, sequence })));
  const logprobs = rows.map(({ sequence }) => sequence?.inference_logprobs ?? null);
  const versions = rows.flatMap(({ sequence }) => sequence?.weight_versions ?? []);
  const rendered = rows.some(({ sequence }) => sequence?.rendered);
  const sampled = rows.some(({ sequence }) => sequence && !sequence.rendered);
  const rest = {
    advantages: null,
    ref_logprobs: null,
    messages: parts.include_messages ? rows.map((row) => row.messages) : null,
    generation_params: parts.generation_params,
    overrides: null,
    group_overrides: rows.length === scored.length ? null : { group_size: rows.length },
    images: null,
    env_id: null,
    group_id: parts.group_id,
    item_id: parts.item_id,
    seed: parts.seed,
    tools: parts.tools,
    toolsets: parts.toolsets,
    rollout_ids: rows.map(({ record }) => record.rollout_id),
    token_source: rendered ? "rendered" : sampled ? "sampled" : null,
    weight_versions: versions.length > 0 ? [Math.min(...versions), Math.max(...versions)] : null,
    rollouts: scored.map(({ record }) => withoutPlace(record)),
    not_scored: parts.members
      .filter(({ record }) => record.outcome.kind !== "scored")
      .map(({ record }) => ({ rollout_id: record.rollout_id, outcome: record.outcome })),
  };
  const fields = [
    `"tokens":${JSON.stringify(rows.map(({ sequence }) => sequence?.tokens ?? []))}`,
    `"masks":${JSON.stringify(rows.map(({ sequence }) => sequence?.masks ?? []))}`,
    `"scores":${floats(rows.map((row) => row.reward))}`,
    `"inference_logprobs":${logprobs.some((row) => row === null) || logprobs.length === 0 ? "null" : `[${logprobs.map((row) => floats(row!)).join(",")}]`}`,
  ];
  return `{${fields.join(",")},${JSON.stringify(rest).slice(1)}`;
}

/** A list of numbers as JSON in which every number is a float. */
export function floats(values: readonly number[]): string {
  return `[${values.map((value) => (Number.isInteger(value) && Math.abs(value) < 1e15 ? `${value}.0` : String(value))).join(",")}]`;
}

function withoutPlace(record: RolloutRecord): Omit<RolloutRecord, "place"> {
  const { place: _place, ...rest } = record;
  return rest;
}
