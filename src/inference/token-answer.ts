/**
 * Reading of token-level answers. Nothing is invented: every sampled id has exactly one finite log-probability, or the
 * answer is malformed.
 */
import { isObject, LachesisError, noUsage, type Usage } from "../core/index.ts";
import type { PromptLogprobs, TokenCompletion } from "./contract.ts";
import type { PriceTable } from "./server-config.ts";
import { priced } from "./usage.ts";

export interface RawCompletion {
  tokens: unknown;
  logprobs: unknown;
  finishReason: unknown;
  weightVersion?: unknown;
}

/** Checks what the server gave for one continuation. Throws `malformed_response`, `server_error` for one that was aborted. */
export function tokenCompletion(raw: RawCompletion, url: string): TokenCompletion {
  const { tokens, logprobs } = raw;
  if (!isTokenIds(tokens)) throw malformed(url, "a completion without token ids");
  if (!Array.isArray(logprobs) || logprobs.length !== tokens.length || !logprobs.every(isLogprob)) {
    throw malformed(url, `${tokens.length} tokens without one log-probability for each`);
  }
  const reason = finishReason(raw.finishReason);
  if (reason === "abort" || reason === "error") {
    throw new LachesisError("server_error", `${url}: the generation was aborted.`);
  }
  return { tokens, logprobs, finish_reason: reason, weight_version: weightVersion(raw.weightVersion) };
}

export function isTokenIds(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((id) => Number.isInteger(id) && id >= 0);
}

/** Rounding may lift the logarithm of a certain token a little over 0. */
function isLogprob(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value) && value <= 1e-3;
}

function finishReason(reason: unknown): string {
  const named = isObject(reason) ? reason.type : reason;
  return typeof named === "string" && named !== "" ? named : "stop";
}

/** Versions that are no numbers (SGLang's "default") say nothing that can be compared. */
function weightVersion(version: unknown): number | null {
  const value = typeof version === "string" && version.trim() !== "" ? Number(version) : version;
  return typeof value === "number" && Number.isInteger(value) ? value : null;
}

/** The log-probability of a token in vLLM's form of one position: `{"<id>": number | {logprob}}`, or a list of such. */
export function logprobOf(position: unknown, token: unknown): unknown {
  return candidates(position).get(Number(token));
}

/** The likeliest tokens at each position, first the likeliest. Positions without a prediction are empty. */
export function promptTopK(tokens: readonly number[], positions: unknown, topK: number, url: string): PromptLogprobs {
  if (!Array.isArray(positions) || positions.length !== tokens.length) {
    throw malformed(url, "prompt log-probabilities that are not one for each token");
  }
  const best = positions.map((position) =>
    [...candidates(position)].sort(([, a], [, b]) => b - a).slice(0, Math.max(1, topK)),
  );
  return {
    prompt_tokens: [...tokens],
    prompt_topk_token_ids: best.map((row) => row.map(([id]) => id)),
    prompt_topk_logprobs: best.map((row) => row.map(([, logprob]) => logprob)),
  };
}

function candidates(position: unknown): Map<number, number> {
  const found = new Map<number, number>();
  for (const entry of Array.isArray(position) ? position : [position]) {
    if (!isObject(entry)) continue;
    for (const [id, value] of Object.entries(entry)) {
      const logprob = isObject(value) ? value.logprob : value;
      if (typeof logprob === "number" && Number.isInteger(Number(id))) found.set(Number(id), logprob);
    }
  }
  return found;
}

/** Counted here, where the ids are; what the server says of its cache is added. */
export function tokenUsage(
  promptTokens: number,
  completions: readonly TokenCompletion[],
  cachedTokens: number,
  model: string,
  prices: PriceTable | undefined,
): Usage {
  const usage = noUsage();
  usage.prompt_tokens = promptTokens;
  usage.completion_tokens = completions.reduce((sum, completion) => sum + completion.tokens.length, 0);
  usage.total_tokens = usage.prompt_tokens + usage.completion_tokens;
  usage.cached_tokens = Math.min(promptTokens, cachedTokens);
  usage.cost_usd = priced(usage, model, prices);
  return usage;
}

export function malformed(url: string, what: string): LachesisError {
  return new LachesisError("malformed_response", `${url} gave ${what}.`);
}
