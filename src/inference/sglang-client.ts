/** Client of an SGLang server: chats and completions over its OpenAI routes, exact tokens over its own `/generate`. */
import { isObject } from "../core/index.ts";
import type { Attempt, ClientServices, InferenceClient, TokenAnswer } from "./client.ts";
import type { ChatRequest, CompletionRequest, TokenRequest } from "./contract.ts";
import { OpenAIClient } from "./openai-client.ts";
import type { ServerConfig } from "./server-config.ts";
import { malformed, promptTopK, tokenCompletion, tokenUsage } from "./token-answer.ts";

export class SglangClient implements InferenceClient {
  readonly #openai: OpenAIClient;
  readonly #config: ServerConfig;
  readonly #services: ClientServices;

  constructor(config: ServerConfig, services: ClientServices) {
    this.#config = config;
    this.#services = services;
    this.#openai = new OpenAIClient(config, services);
  }

  chat(request: ChatRequest, attempt: Attempt) {
    return this.#openai.chat(request, attempt);
  }

  completion(request: CompletionRequest, attempt: Attempt) {
    return this.#openai.completion(request, attempt);
  }

  async generate(request: TokenRequest, attempt: Attempt): Promise<TokenAnswer> {
    const metas = await this.#ask(request.prompt_token_ids, samplingParams(request), {}, attempt);
    const completions = metas.map((meta) => {
      const rows = meta.output_token_logprobs;
      if (!Array.isArray(rows)) throw malformed(this.#openai.endpoint.name, "no output_token_logprobs");
      return tokenCompletion(
        {
          tokens: rows.map((row) => (Array.isArray(row) ? row[1] : null)),
          logprobs: rows.map((row) => (Array.isArray(row) ? row[0] : null)),
          finishReason: meta.finish_reason,
          weightVersion: meta.weight_version,
        },
        this.#openai.endpoint.name,
      );
    });
    const cached = Math.max(
      0,
      ...metas.map((meta) => (typeof meta.cached_tokens === "number" ? meta.cached_tokens : 0)),
    );
    return { completions, usage: this.#usage(request.prompt_token_ids.length, completions, cached) };
  }

  async promptLogprobs(tokens: readonly number[], topK: number, attempt: Attempt) {
    const sampling = { temperature: 0, max_new_tokens: 1 };
    const fields = { logprob_start_len: 0, top_logprobs_num: topK };
    const [meta] = await this.#ask(tokens, sampling, fields, attempt);
    const rows = meta?.input_top_logprobs;
    const positions = Array.isArray(rows)
      ? rows.map((row) => (Array.isArray(row) ? row.map(([logprob, id]) => ({ [String(id)]: logprob })) : null))
      : null;
    const logprobs = promptTopK(tokens, positions, topK, this.#openai.endpoint.name);
    return { logprobs, usage: this.#usage(tokens.length, [], 0) };
  }

  probe(attempt: Attempt): Promise<void> {
    return this.#openai.endpoint.checkAlive("health", "root", [500, 502, 503, 504], attempt);
  }

  close(): Promise<void> {
    return this.#openai.close();
  }

  /** The `meta_info` of each answer; one object, or a list of them for several completions. */
  async #ask(
    tokens: readonly number[],
    sampling: Record<string, unknown>,
    fields: Record<string, unknown>,
    attempt: Attempt,
  ): Promise<Record<string, unknown>[]> {
    const { sampling_params: extraSampling, ...extra } = this.#config.extra_body;
    const body = {
      input_ids: tokens,
      sampling_params: { ...sampling, ...(isObject(extraSampling) ? extraSampling : {}) },
      return_logprob: true,
      return_text_in_logprobs: false,
      ...fields,
      ...extra,
    };
    const answer = await this.#openai.endpoint.postAtRoot("generate", body, attempt);
    const list: unknown[] = Array.isArray(answer.list) ? answer.list : [answer];
    const metas = list.map((entry) => (isObject(entry) ? entry.meta_info : null));
    if (metas.length === 0 || !metas.every(isObject)) throw malformed(this.#openai.endpoint.name, "no meta_info");
    return metas;
  }

  #usage(promptTokens: number, completions: TokenAnswer["completions"], cached: number) {
    return tokenUsage(promptTokens, completions, cached, this.#config.model_name, this.#services.prices);
  }
}

/** In SGLang's names; it takes no seed for a single request. No limit means to the end of the context. */
function samplingParams(request: TokenRequest): Record<string, unknown> {
  const { temperature, top_p, top_k, min_p, stop, n } = request;
  const given = { temperature, top_p, top_k, min_p, stop, stop_token_ids: request.stop_token_ids };
  return {
    ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)),
    max_new_tokens: request.max_tokens ?? null,
    ...(n !== undefined && n > 1 ? { n } : {}),
  };
}
