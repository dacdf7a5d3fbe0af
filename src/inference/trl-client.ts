/**
 * Client of TRL's vLLM server, which has one route: prompts in, token ids out. Chats are rendered and answers decoded
 * with the model's tokenizer. Log-probabilities are passed on where the server gives them and never made up: without
 * them token generation is refused.
 */
import { LachesisError } from "../core/index.ts";
import { loadTokenizer, renderConversation, type Tokenizer } from "../tokens/index.ts";
import type { Attempt, ChatAnswer, ClientServices, CompletionAnswer, InferenceClient, TokenAnswer } from "./client.ts";
import type { ChatRequest, CompletionRequest, SamplingParams, TokenRequest } from "./contract.ts";
import { JsonEndpoint } from "./json-endpoint.ts";
import type { ServerConfig } from "./server-config.ts";
import { isTokenIds, malformed, tokenCompletion, tokenUsage } from "./token-answer.ts";

/** Where no limit is set; TRL's own default of 16 would cut answers in silence. */
const DEFAULT_MAX_TOKENS = 2048;

interface Generated {
  ids: number[];
  logprobs: unknown;
  reason: "length" | "stop";
}

export class TrlClient implements InferenceClient {
  readonly #endpoint: JsonEndpoint;
  readonly #config: ServerConfig;
  readonly #services: ClientServices;
  #tokenizer: Promise<Tokenizer> | null = null;

  constructor(config: ServerConfig, services: ClientServices) {
    this.#config = config;
    this.#services = services;
    this.#endpoint = new JsonEndpoint(config, services);
  }

  async chat(request: ChatRequest, attempt: Attempt): Promise<ChatAnswer> {
    const tokenizer = await this.#loaded();
    const tools = request.tools?.length ? request.tools : null;
    const text = renderConversation(tokenizer, request.messages, { tools, addGenerationPrompt: true });
    const answers = await this.#generate(text, request, attempt);
    return {
      id: "",
      model: this.#config.model_name,
      choices: answers.map(({ ids, reason }, index) => ({
        index,
        message: { role: "assistant", content: tokenizer.decode(ids, { skipSpecialTokens: true }) },
        finish_reason: reason,
      })),
      usage: this.#usage(tokenizer.encode(text, { addSpecialTokens: false }).length, answers),
    };
  }

  async completion(request: CompletionRequest, attempt: Attempt): Promise<CompletionAnswer> {
    const tokenizer = await this.#loaded();
    const answers = await this.#generate(request.prompt, request, attempt);
    return {
      choices: answers.map(({ ids, reason }, index) => ({
        index,
        text: tokenizer.decode(ids, { skipSpecialTokens: true }),
        finish_reason: reason,
      })),
      usage: this.#usage(tokenizer.encode(request.prompt).length, answers),
    };
  }

  async generate(request: TokenRequest, attempt: Attempt): Promise<TokenAnswer> {
    const answers = await this.#generate(request.prompt_token_ids, request, attempt);
    if (answers.some(({ logprobs }) => logprobs === undefined)) {
      throw new LachesisError(
        "unsupported",
        `${this.#endpoint.name} gives no log-probabilities. Take a newer TRL, or a plain vLLM server with --openai.server_type vllm.`,
      );
    }
    const completions = answers.map(({ ids, logprobs, reason }) =>
      tokenCompletion({ tokens: ids, logprobs, finishReason: reason }, this.#endpoint.name),
    );
    return { completions, usage: this.#usage(request.prompt_token_ids.length, answers) };
  }

  probe(attempt: Attempt): Promise<void> {
    return this.#endpoint.checkAlive("health/", "root", [500, 502, 503, 504], attempt);
  }

  close(): Promise<void> {
    return this.#endpoint.close();
  }

  async #generate(
    prompt: string | readonly number[],
    params: SamplingParams & { extra_body?: Record<string, unknown> },
    attempt: Attempt,
  ): Promise<Generated[]> {
    const maxTokens = params.max_tokens ?? DEFAULT_MAX_TOKENS;
    const body = {
      prompts: [prompt],
      n: params.n ?? 1,
      repetition_penalty: 1,
      temperature: params.temperature ?? 1,
      top_p: params.top_p ?? 1,
      top_k: params.top_k ?? -1,
      min_p: params.min_p ?? 0,
      max_tokens: maxTokens,
      ...this.#config.extra_body,
      ...params.extra_body,
    };
    const answer = await this.#endpoint.postAtRoot("generate/", body, attempt);
    const ids: unknown = answer.completion_ids;
    if (!Array.isArray(ids) || ids.length === 0 || !ids.every(isTokenIds)) {
      throw malformed(this.#endpoint.name, "no completion_ids");
    }
    const logprobs: unknown = answer.logprobs;
    return ids.map((tokens, place) => ({
      ids: tokens,
      logprobs: Array.isArray(logprobs) ? flat(logprobs[place]) : undefined,
      // The server does not say why it stopped; an answer of the full length was cut.
      reason: tokens.length >= maxTokens ? "length" : "stop",
    }));
  }

  #loaded(): Promise<Tokenizer> {
    const { tokenizer_name: name, model_name: model } = this.#config;
    this.#tokenizer ??= loadTokenizer(name === "none" ? model : name);
    return this.#tokenizer;
  }

  #usage(promptTokens: number, answers: readonly Generated[]) {
    const counted = answers.map(({ ids, reason }) => ({
      tokens: ids,
      logprobs: [],
      finish_reason: reason,
      weight_version: null,
    }));
    return tokenUsage(promptTokens, counted, 0, this.#config.model_name, this.#services.prices);
  }
}

/** Some versions give one candidate list for each position, the sampled token first. */
function flat(row: unknown): unknown {
  return Array.isArray(row) ? row.map((entry: unknown) => (Array.isArray(entry) ? entry[0] : entry)) : row;
}
