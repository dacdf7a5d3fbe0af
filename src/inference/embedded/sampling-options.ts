/** Sampling parameters as callers give them, checked, with the defaults filled in. */
import { randomInt } from "node:crypto";
import { deriveSeed, LachesisError } from "../../core/index.ts";
import type { SamplingParams } from "../contract.ts";
import type { SamplerOptions } from "./sampler.ts";

export interface SampleRequest extends SamplingParams {
  tokens: readonly number[];
  stop_token_ids?: readonly number[];
  /** Do not stop at the model's own end tokens. */
  ignore_eos?: boolean;
  /** How many of the likeliest tokens are reported beside each sampled one. Default 0. */
  top_logprobs?: number;
  signal?: AbortSignal;
}

/** Answers to one prompt in one request. */
const MOST_ANSWERS = 256;

export interface CheckedRequest {
  answers: number;
  /** null: as many as the context holds. */
  maxTokens: number | null;
  stops: string[];
  topLogprobs: number;
  /** Of one of the answers: each has a seed of its own. */
  sampling(answer: number): SamplerOptions;
}

/** Throws `bad_request` naming the field. */
export function checkRequest(request: SampleRequest): CheckedRequest {
  const base = {
    temperature: inRange(request, "temperature", 1, 0, 100),
    topP: inRange(request, "top_p", 1, 0, 1),
    topK: whole(request, "top_k", 0, -1),
    minP: inRange(request, "min_p", 0, 0, 1),
  };
  const seed = request.seed == null ? randomInt(2 ** 31) : whole(request, "seed", 0, Number.MIN_SAFE_INTEGER);
  const stops = request.stop ?? [];
  if (!Array.isArray(stops) || !stops.every((stop) => typeof stop === "string")) {
    throw refused("stop", stops, "a list of strings is needed");
  }
  return {
    answers: whole(request, "n", 1, 1, MOST_ANSWERS),
    maxTokens: request.max_tokens == null ? null : whole(request, "max_tokens", 1, 1),
    stops,
    topLogprobs: whole(request, "top_logprobs", 0, 0, 1000),
    sampling: (answer) => ({ ...base, seed: deriveSeed(seed, "embedded", answer) }),
  };
}

type NumberField = "temperature" | "top_p" | "top_k" | "min_p" | "seed" | "n" | "max_tokens" | "top_logprobs";

function inRange(request: SampleRequest, field: NumberField, standard: number, low: number, high: number): number {
  const value = request[field] ?? standard;
  if (typeof value === "number" && value >= low && value <= high) return value;
  throw refused(field, value, `a number from ${low} to ${high} is needed`);
}

function whole(
  request: SampleRequest,
  field: NumberField,
  standard: number,
  low: number,
  high = Number.MAX_SAFE_INTEGER,
): number {
  const value = request[field] ?? standard;
  if (Number.isSafeInteger(value) && value >= low && value <= high) return value;
  throw refused(field, value, `an integer of at least ${low}${high < 1e6 ? ` and at most ${high}` : ""} is needed`);
}

function refused(field: string, value: unknown, wanted: string): LachesisError {
  return new LachesisError("bad_request", `${field} is ${JSON.stringify(value)}: ${wanted}.`, { details: { field } });
}
