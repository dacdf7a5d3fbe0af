/**
 * What crosses the wire between environments, the trajectory API and trainers. Names are those of protocol v1; fields
 * that v1 does not know are marked. `null` and absent mean the same everywhere.
 */
import type { ChatMessage } from "../core/index.ts";

/** A scored group: the rollouts of one item. Arrays are parallel: [sequence][position] unless said otherwise. */
export interface ScoredGroup {
  tokens: number[][];
  /** −100 where the token is not trained, else the token id. */
  masks: number[][];
  /** [sequence] */
  scores: number[];
  advantages?: number[][] | null;
  ref_logprobs?: number[][] | null;
  /** [sequence][message] */
  messages?: ChatMessage[][] | null;
  generation_params?: Record<string, unknown> | null;
  /** Natural logarithms; 1.0 on masked positions. */
  inference_logprobs?: number[][] | null;
  /** [sequence]; `set_advantage_to_zero` is the key that trainers read. */
  overrides?: Record<string, unknown>[] | null;
  group_overrides?: Record<string, unknown> | null;
  images?: unknown;
  env_id?: number | null;
  /** [sequence][position][k] */
  distill_token_ids?: number[][][] | null;
  /** [sequence][position][k] */
  distill_logprobs?: number[][][] | null;

  /** Ours: lowest and highest version of the weights that sampled the group. */
  weight_versions?: [number, number] | null;
  /** Ours: which rollout each sequence belongs to, where one rollout gives several. [sequence] */
  rollout_ids?: string[] | null;
  /** Ours: `sampled` ids are the engine's own; `rendered` ones are good for supervised training only. */
  token_source?: "sampled" | "rendered" | null;
  /** Ours. */
  item_id?: string | null;
  /** Ours. */
  group_id?: string | null;
}

/** What a trainer registers, in v1 with POST /register and in v2 with POST /v2/runs/{run}. */
export interface RunRegistration {
  wandb_group: string;
  wandb_project: string;
  /** Sequences per batch. */
  batch_size: number;
  max_token_len: number;
  checkpoint_dir: string;
  save_checkpoint_interval: number;
  starting_step: number;
  num_steps: number;
  /** v2: groups whose oldest weights are more steps behind are set aside; null: no limit. */
  max_staleness?: number | null;
  /** v2: bounds of the queue; null: the server's. */
  max_queue_groups?: number | null;
  max_queue_bytes?: number | null;
}

export interface EnvRegistration {
  max_token_length: number;
  desired_name: string;
  weight: number;
  group_size: number;
  min_batch_allocation: number | null;
}

export interface EnvRegistered {
  status: "success";
  env_id: number;
  wandb_name: string;
  checkpoint_dir: string;
  starting_step: number;
  checkpoint_interval: number;
  num_steps: number;
}

/** Answer of GET /status-env. */
export interface EnvStatus {
  current_step: number;
  queue_size: number;
  unallocated_fraction: number;
  self_queue_size: number;
  max_group_size: number;
  env_weight: number;
}

export interface LeaseRequest {
  trainer: string;
  /** How long the call may wait for a batch. */
  max_wait_ms?: number;
  /** How long the batch stays the trainer's without an ack. */
  lease_ms?: number;
}

export interface LeasedBatch {
  batch_id: string;
  step: number;
  /** ISO 8601. */
  lease_expires_at: string;
  groups: ScoredGroup[];
}
