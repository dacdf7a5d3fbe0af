/** What the inference thread is asked for and what it answers: token ids only, plain data that crosses threads. */
import type { ErrorCode } from "../../core/index.ts";
import type { SamplerOptions } from "./sampler.ts";

export interface GenerateJob {
  kind: "generate";
  tokens: number[];
  /** New tokens at most; null: as many as the context holds. */
  maxTokens: number | null;
  sampling: SamplerOptions;
  /** Ids that end the answer; they are part of it. */
  stopTokens: number[];
  /** How many of the likeliest tokens are reported beside each sampled one. */
  topLogprobs: number;
  /** Whether each token is reported as soon as it is sampled. */
  stream: boolean;
}

export interface PromptJob {
  kind: "prompt";
  tokens: number[];
  topK: number;
}

export type Job = GenerateJob | PromptJob;

export interface TopTokens {
  ids: number[];
  logprobs: number[];
}

export interface Generated {
  kind: "generate";
  tokens: number[];
  logprobs: number[];
  tempered: number[];
  /** The likeliest tokens at each place, as many as were asked for, with untempered log-probabilities. */
  top: TopTokens[];
  finishReason: "stop" | "length";
  /** Prompt tokens that the prefix cache held. */
  cachedTokens: number;
  weightVersion: number;
}

export interface PromptScored {
  kind: "prompt";
  /** Log-probability of each prompt token; the first has none. */
  logprobs: (number | null)[];
  topIds: number[][];
  topLogprobs: number[][];
  weightVersion: number;
}

export type JobResult = Generated | PromptScored;

/** What is known of loaded weights. */
export interface ModelFacts {
  vocabSize: number;
  contextLength: number;
  stopTokens: number[];
  parameters: number;
}

export type ToWorker =
  | { type: "job"; id: number; job: Job }
  /** Forgets the job; nothing is answered. */
  | { type: "cancel"; id: number }
  /** Ends an answer with what it has, as if it had met a stop token. */
  | { type: "stop"; id: number }
  /** Loads weights and holds them until `commit` or the next `prepare`. */
  | { type: "prepare"; id: number; path: string }
  /** Jobs posted after this one run on the prepared weights. */
  | { type: "commit"; id: number; version: number };

export interface FailureData {
  code: ErrorCode;
  message: string;
  details: Record<string, unknown>;
}

export type FromWorker =
  | { type: "token"; id: number; token: number; logprob: number; tempered: number }
  | { type: "done"; id: number; result: JobResult }
  | { type: "prepared"; id: number; facts: ModelFacts }
  | { type: "failed"; id: number; error: FailureData };
