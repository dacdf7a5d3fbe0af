/**
 * The embedded model as an inference server inside the process: chats, completions and token requests in the shapes of
 * `inference/contract.ts`. Log-probabilities are natural logarithms of the untempered distribution over the whole
 * vocabulary; at another temperature than 1 the tempered ones stand beside them.
 */
import { randomUUID } from "node:crypto";
import { LachesisError, noUsage, type ToolSchema, type Usage } from "../../core/index.ts";
import { renderConversation, type Tokenizer } from "../../tokens/index.ts";
import type {
  ChatChoice,
  ChatCompletion,
  ChatRequest,
  ChatServer,
  CompletionRequest,
  CompletionResult,
  PromptLogprobs,
  TokenCompletion,
  TokenRequest,
  TokenResult,
  TokenServer,
} from "../contract.ts";
import { type ParsedAnswer, parseAnswer } from "../sessions/answer-text.ts";
import type { EngineOptions } from "./engine.ts";
import type { TopTokens } from "./jobs.ts";
import { type Answer, type AnswerDelta, EmbeddedModel, TINY_MODEL } from "./model.ts";
import type { SampleRequest } from "./sampling-options.ts";

export interface EmbeddedServerOptions extends EngineOptions {
  /** Model folder. Default: the model that comes with Lachesis. */
  model?: string;
  /** Reported as the answers' model. Default "tiny". */
  name?: string;
}

export interface EmbeddedCompletion extends TokenCompletion {
  weight_version: number;
  /** Under softmax(logits / temperature), before top-k, top-p and min-p; null at temperatures 0 and 1. */
  tempered_logprobs: number[] | null;
  /** Without end tokens, cut before a stop string. */
  text: string;
  /** The stop string or end token that ended it; null for `length`. */
  matched: string | number | null;
  /** The likeliest tokens at each place; empty unless `top_logprobs` asks for them. */
  top: TopTokens[];
}

export interface EmbeddedResult extends TokenResult {
  completions: EmbeddedCompletion[];
}

export interface EmbeddedPromptLogprobs extends PromptLogprobs {
  /** Log-probability of each prompt token; null for the first. */
  prompt_logprobs: (number | null)[];
  weight_version: number;
}

/**
 * @example
 * const server = await EmbeddedServer.open();
 * const { choices } = await server.chatCompletion({ messages: [{ role: "user", content: "…" }], tools });
 * await server.close();
 */
export class EmbeddedServer implements TokenServer, ChatServer {
  readonly model: EmbeddedModel;
  readonly name: string;

  private constructor(model: EmbeddedModel, name: string) {
    this.model = model;
    this.name = name;
  }

  /** Throws `not_found`, `weights_invalid`, `tokenizer_error`. */
  static async open({ model = TINY_MODEL, name = "tiny", ...engine }: EmbeddedServerOptions = {}) {
    return new EmbeddedServer(await EmbeddedModel.open(model, engine), name);
  }

  get tokenizer(): Tokenizer {
    return this.model.tokenizer;
  }

  /** 1 for the weights that it was opened with; each load counts one more. */
  get weightVersion(): number {
    return this.model.weightVersion;
  }

  /** Takes other weights for all later requests; gives their version. When it fails the old ones stay. */
  load(path: string): Promise<number> {
    return this.model.load(path);
  }

  close(): Promise<void> {
    return this.model.close();
  }

  /** Throws `prompt_too_long`, `token_unknown`, `bad_request`, `cancelled`. */
  async generate(
    request: TokenRequest & Pick<SampleRequest, "ignore_eos" | "top_logprobs">,
    onDelta?: (delta: AnswerDelta) => void,
  ): Promise<EmbeddedResult> {
    const started = performance.now();
    const answers = await this.model.sample({ ...request, tokens: request.prompt_token_ids }, onDelta);
    const temperature = request.temperature ?? 1;
    return {
      completions: answers.map((answer) => ({
        tokens: answer.tokens,
        logprobs: answer.logprobs,
        tempered_logprobs: temperature === 0 || temperature === 1 ? null : answer.tempered,
        finish_reason: answer.finishReason,
        weight_version: answer.weightVersion,
        text: answer.text,
        matched: answer.matched,
        top: answer.top,
      })),
      usage: usageOf(request.prompt_token_ids.length, answers),
      ...timesOf(started),
    };
  }

  async promptLogprobs(tokens: readonly number[], topK: number, signal?: AbortSignal): Promise<EmbeddedPromptLogprobs> {
    const scored = await this.model.scorePrompt(tokens, topK, signal);
    return {
      prompt_tokens: [...tokens],
      prompt_topk_token_ids: scored.topIds,
      prompt_topk_logprobs: scored.topLogprobs,
      prompt_logprobs: scored.logprobs,
      weight_version: scored.weightVersion,
    };
  }

  /** Ids of a chat's prompt, rendered with the model's template. Throws `template_error`. */
  chatTokens(request: Pick<ChatRequest, "messages" | "tools" | "tool_choice">): number[] {
    const text = renderConversation(this.tokenizer, request.messages, {
      tools: toolsOf(request),
      addGenerationPrompt: true,
    });
    return this.tokenizer.encode(text, { addSpecialTokens: false });
  }

  async chatCompletion(
    request: ChatRequest,
    onDelta?: (delta: AnswerDelta) => void,
  ): Promise<ChatCompletion & { answers: Answer[] }> {
    checkChat(request);
    const started = performance.now();
    const tokens = this.chatTokens(request);
    const answers = await this.model.sample(sampleRequest(request, tokens), onDelta);
    return {
      id: `chatcmpl-${randomUUID()}`,
      model: this.name,
      choices: answers.map((answer, index): ChatChoice => ({ index, ...messageOf(answer, request) })),
      usage: usageOf(tokens.length, answers),
      ...timesOf(started),
      answers,
    };
  }

  async completion(
    request: CompletionRequest,
    onDelta?: (delta: AnswerDelta) => void,
  ): Promise<CompletionResult & { answers: Answer[] }> {
    const started = performance.now();
    const tokens = this.tokenizer.encode(request.prompt, { addSpecialTokens: false });
    const answers = await this.model.sample(sampleRequest(request, tokens), onDelta);
    return {
      choices: answers.map(({ text, finishReason }, index) => ({ index, text, finish_reason: finishReason })),
      usage: usageOf(tokens.length, answers),
      ...timesOf(started),
      answers,
    };
  }
}

/** `extra_body` may carry what the contract has no field for. */
function sampleRequest(request: ChatRequest | CompletionRequest, tokens: number[]): SampleRequest {
  const { extra_body: extra = {} } = request;
  return {
    ...request,
    tokens,
    ...(Array.isArray(extra.stop_token_ids) && { stop_token_ids: extra.stop_token_ids }),
    ...(extra.ignore_eos === true && { ignore_eos: true }),
    ...(typeof extra.top_logprobs === "number" && { top_logprobs: extra.top_logprobs }),
  };
}

function messageOf(answer: Answer, request: ChatRequest): ParsedAnswer {
  return parseAnswer({
    text: answer.text,
    prompt: "",
    finishReason: answer.finishReason,
    tools: toolsOf(request),
    toolCallParser: "hermes",
    templateKwargs: {},
  });
}

function toolsOf({
  tools,
  tool_choice: choice,
}: Pick<ChatRequest, "tools" | "tool_choice">): readonly ToolSchema[] | null {
  return choice === "none" || !tools?.length ? null : tools;
}

/** What a model this small cannot be made to do is refused rather than ignored. */
function checkChat({ tool_choice: choice, response_format: format }: ChatRequest): void {
  if (choice === "required" || typeof choice === "object") {
    throw new LachesisError("bad_request", 'The embedded model knows tool_choice "auto" and "none" only.');
  }
  if (format && format.type !== "text") {
    throw new LachesisError("bad_request", `The embedded model cannot be held to response_format ${format.type}.`);
  }
}

function usageOf(promptTokens: number, answers: readonly Answer[]): Usage {
  const completion = answers.reduce((sum, answer) => sum + answer.tokens.length, 0);
  return {
    ...noUsage(),
    prompt_tokens: promptTokens,
    completion_tokens: completion,
    total_tokens: promptTokens + completion,
    cached_tokens: answers[0]?.cachedTokens ?? 0,
    cost_usd: 0,
  };
}

function timesOf(started: number): { latencyMs: number; attempts: number; server: number } {
  return { latencyMs: performance.now() - started, attempts: 1, server: 0 };
}
