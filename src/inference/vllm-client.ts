/**
 * Client of a vLLM server: chats and completions over its OpenAI routes, exact tokens over the first of three dialects
 * that it has. Which one is found out once, by requests that generate nothing.
 */
import { LachesisError } from "../core/index.ts";
import type { Attempt, ClientServices, InferenceClient, TokenAnswer } from "./client.ts";
import type { ChatRequest, CompletionRequest, TokenRequest } from "./contract.ts";
import { OpenAIClient } from "./openai-client.ts";
import type { ServerConfig } from "./server-config.ts";
import { promptTopK, tokenCompletion, tokenUsage } from "./token-answer.ts";
import { VLLM_DIALECTS, type VllmDialect, vllmSampling } from "./vllm-dialects.ts";

export class VllmClient implements InferenceClient {
  readonly #openai: OpenAIClient;
  readonly #config: ServerConfig;
  readonly #services: ClientServices;
  #dialect: Promise<VllmDialect> | null = null;

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
    const { prompt_token_ids: tokens } = request;
    const { dialect, answer } = await this.#ask(tokens, vllmSampling(request), attempt);
    const url = this.#urlOf(dialect);
    const completions = dialect.completions(answer, url).map((raw) => tokenCompletion(raw, url));
    if (completions.length === 0) throw new LachesisError("empty_response", `${url} answered without completions.`);
    return { completions, usage: this.#usage(tokens.length, completions) };
  }

  async promptLogprobs(tokens: readonly number[], topK: number, attempt: Attempt) {
    const sampling = { prompt_logprobs: topK, temperature: 0, max_tokens: 1 };
    const { dialect, answer } = await this.#ask(tokens, sampling, attempt);
    const logprobs = promptTopK(tokens, dialect.promptLogprobs(answer), topK, this.#urlOf(dialect));
    return { logprobs, usage: this.#usage(tokens.length, []) };
  }

  probe(attempt: Attempt): Promise<void> {
    return this.#openai.endpoint.checkAlive("health", "root", [500, 502, 503, 504], attempt);
  }

  close(): Promise<void> {
    return this.#openai.close();
  }

  async #ask(tokens: readonly number[], sampling: Record<string, unknown>, attempt: Attempt) {
    const dialect = await this.#dialectOf(attempt);
    const body = dialect.body(tokens, { ...sampling, ...this.#config.extra_body }, this.#config.model_name);
    const { endpoint } = this.#openai;
    const answer =
      dialect.at === "root"
        ? await endpoint.postAtRoot(dialect.path, body, attempt)
        : await endpoint.post(dialect.path, body, attempt);
    return { dialect, answer };
  }

  /** Found out once for all requests; a server that could not be asked is asked again by the next one. */
  #dialectOf(attempt: Attempt): Promise<VllmDialect> {
    if (this.#dialect === null) {
      // Not bound to one caller's signal: others wait for the same finding.
      this.#dialect = this.#find({ timeoutMs: Math.min(attempt.timeoutMs, 30_000) });
      this.#dialect.catch(() => {
        this.#dialect = null;
      });
    }
    return this.#dialect;
  }

  async #find(attempt: Attempt): Promise<VllmDialect> {
    for (const dialect of VLLM_DIALECTS) {
      if (await this.#openai.endpoint.hasRoute(dialect.path, dialect.at, attempt)) return dialect;
    }
    throw new LachesisError(
      "model_not_found",
      `${this.#openai.endpoint.name} has none of ${VLLM_DIALECTS.map((dialect) => dialect.path).join(", ")}. Check --openai.base_url and --openai.server_type.`,
    );
  }

  #urlOf(dialect: VllmDialect): string {
    return `${this.#openai.endpoint.name} (${dialect.path})`;
  }

  #usage(promptTokens: number, completions: TokenAnswer["completions"]) {
    return tokenUsage(promptTokens, completions, 0, this.#config.model_name, this.#services.prices);
  }
}
