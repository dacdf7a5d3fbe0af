/**
 * The lines of `journal.jsonl` and of the files beside it. A line in the journal is the mark that something is finished;
 * the bulky part (conversation, tokens) lies in another file, written before, at the offset that the line names.
 */
import type { ChatMessage, Usage } from "../core/index.ts";
import type { ErrorFacts, Outcome, TokenSequence, ToolSchemas } from "./outcome.ts";

/** Where a line lies in its file, in bytes, without its line end. */
export interface Place {
  offset: number;
  bytes: number;
}

export interface ToolErrorEntry {
  turn: number;
  call_index: number;
  tool_name: string;
  arguments: string;
  error: string;
  tool_result: string;
}

export interface TurnEntry {
  turn: number;
  finish_reason: string;
  usage: Usage;
  model_ms: number;
  attempts: number;
  tools: { name: string; ms: number; result_chars: number; sent_chars: number }[];
}

export interface RolloutTimings {
  /** ISO time at which the attempt that counts began. */
  started_at: string;
  total_ms: number;
  model_ms: number;
  tool_ms: number;
  reward_ms: number;
}

/** A finished rollout. */
export interface RolloutRecord {
  type: "rollout";
  item_id: string;
  group_id: string;
  rollout_id: string;
  /** Place in its group, or number of the attempt in an evaluation; from 0. */
  member: number;
  seed: number;
  outcome: Outcome;
  /** null where no agent ran, such as when the sandbox could not be made. */
  stop_reason: string | null;
  turns_used: number;
  usage: Usage;
  timings: RolloutTimings;
  tool_errors: ToolErrorEntry[];
  /** Times that the rollout was tried, this one included. */
  tries: number;
  /** What the environment measured with `this.metric`. */
  metrics?: Record<string, number>;
  category?: string | null;
  /** `eval` for an attempt of an evaluation; absent in training and `process`. */
  split?: "eval";
  /** Its line in rollouts.jsonl (process) or samples.jsonl (evaluate). */
  place?: Place;
}

/** A try that was aborted and is made again. */
export interface RetryRecord {
  type: "retry";
  item_id: string;
  group_id: string;
  rollout_id: string;
  /** 1-based. */
  attempt: number;
  error: ErrorFacts;
  usage: Usage;
}

/** A finished group. */
export interface GroupRecord {
  type: "group";
  item_id: string;
  group_id: string;
  /** filtered: not in groups.jsonl, for the reason. */
  status: "written" | "filtered";
  reason: string | null;
  scored: number;
  size: number;
  /** By member; only where `scoreGroup` changed what the rollouts' own lines say. */
  outcomes?: Outcome[];
  place?: Place;
}

export interface RunMark {
  type: "run" | "resume" | "end";
  at: string;
  [field: string]: unknown;
}

export type JournalLine = RolloutRecord | RetryRecord | GroupRecord | RunMark;

/** A line of rollouts.jsonl: all of a rollout that is not in its journal line. */
export interface TranscriptLine {
  rollout_id: string;
  messages: ChatMessage[];
  turns: TurnEntry[];
  sequences: TokenSequence[] | null;
  metadata?: Record<string, unknown>;
}

/** A line of samples.jsonl. */
export interface SampleLine {
  item_id: string;
  attempt: number;
  rollout_id: string;
  prompt: string;
  response: string;
  messages: ChatMessage[];
  /** null when it was not scored. */
  reward: number | null;
  outcome: Outcome;
  stop_reason: string | null;
  turns_used: number;
  usage: Usage;
  category: string | null;
  turns: TurnEntry[];
  /** The tools as the model saw them; null where it had none. */
  tools: ToolSchemas | null;
  metadata?: Record<string, unknown>;
}
