/**
 * The three ways in which a vLLM server takes and gives token ids. All ask for no limit where none is set: the servers'
 * own default of 16 tokens would cut answers in silence.
 */
import { isObject } from "../core/index.ts";
import { samplingFields } from "./chat-body.ts";
import type { TokenRequest } from "./contract.ts";
import { logprobOf, malformed, type RawCompletion } from "./token-answer.ts";

export interface VllmDialect {
  name: "custom" | "tokens" | "completions";
  /** Below base_url, or below its root (without /v1). */
  path: string;
  at: "base" | "root";
  body(tokens: readonly number[], sampling: Record<string, unknown>, model: string): Record<string, unknown>;
  completions(answer: Record<string, unknown>, url: string): RawCompletion[];
  promptLogprobs(answer: Record<string, unknown>): unknown;
}

/** Sampling parameters in vLLM's names, with the log-probability of each sampled token. */
export function vllmSampling(request: TokenRequest): Record<string, unknown> {
  const fields = samplingFields(request);
  return {
    ...fields,
    max_tokens: request.max_tokens ?? null,
    ...(request.stop_token_ids === undefined ? {} : { stop_token_ids: request.stop_token_ids }),
  };
}

/** The example trainers' own server: log-probabilities by id, nested per completion and position. */
const custom: VllmDialect = {
  name: "custom",
  path: "generate",
  at: "root",
  body: (tokens, sampling) => ({ prompt: { prompt_token_ids: tokens }, logprobs: 0, ...sampling }),
  completions({ token_ids: ids, logprobs, finish_reasons: reasons, weight_version: weightVersion }, url) {
    if (!Array.isArray(ids) || !Array.isArray(logprobs)) throw malformed(url, "no token_ids or no logprobs");
    return ids.map((tokens: unknown, place) => {
      const positions: unknown = logprobs[place];
      return {
        tokens,
        logprobs:
          Array.isArray(tokens) && Array.isArray(positions) && positions.length === tokens.length
            ? positions.map((position, index) => logprobOf(position, tokens[index]))
            : null,
        finishReason: Array.isArray(reasons) ? reasons[place] : null,
        weightVersion,
      };
    });
  },
  promptLogprobs: (answer) => answer.prompt_logprobs,
};

/** vLLM's own route for ids in, ids out. */
const tokensInOut: VllmDialect = {
  name: "tokens",
  path: "inference/v1/generate",
  at: "root",
  body: (tokens, sampling, model) => ({ model, token_ids: tokens, sampling_params: { logprobs: 1, ...sampling } }),
  completions: (answer, url) =>
    choicesOf(answer, url).map((choice) => {
      const content = isObject(choice.logprobs) ? choice.logprobs.content : null;
      return {
        tokens: choice.token_ids,
        logprobs: Array.isArray(content) ? content.map((entry) => (isObject(entry) ? entry.logprob : null)) : null,
        finishReason: choice.finish_reason,
        weightVersion: answer.weight_version,
      };
    }),
  promptLogprobs: (answer) => answer.prompt_logprobs,
};

/** The OpenAI route with `return_token_ids`. */
const openaiRoute: VllmDialect = {
  name: "completions",
  path: "completions",
  at: "base",
  body: (tokens, sampling, model) => ({ model, prompt: tokens, logprobs: 1, return_token_ids: true, ...sampling }),
  completions: (answer, url) =>
    choicesOf(answer, url).map((choice) => {
      if (choice.token_ids === undefined || choice.token_ids === null) {
        throw malformed(url, "no token_ids (vLLM 0.10.2 or newer is needed)");
      }
      return {
        tokens: choice.token_ids,
        logprobs: isObject(choice.logprobs) ? choice.logprobs.token_logprobs : null,
        finishReason: choice.finish_reason,
        weightVersion: answer.weight_version,
      };
    }),
  promptLogprobs: (answer) => (Array.isArray(answer.choices) ? answer.choices[0]?.prompt_logprobs : undefined),
};

/** In the order in which they are looked for. */
export const VLLM_DIALECTS: readonly VllmDialect[] = [custom, tokensInOut, openaiRoute];

function choicesOf(answer: Record<string, unknown>, url: string): Record<string, unknown>[] {
  if (!Array.isArray(answer.choices) || !answer.choices.every(isObject)) throw malformed(url, "no choices");
  return answer.choices;
}
