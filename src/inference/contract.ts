/**
 * What the rest of the project asks of an inference server. Field names are those of the OpenAI wire, so requests and
 * answers need no mapping.
 */
import type { ChatMessage, JsonSchema, ToolSchema, Usage } from "../core/index.ts";

export type FinishReason = "stop" | "length" | "tool_calls" | "content_filter" | (string & {});

export interface SamplingParams {
  temperature?: number;
  top_p?: number;
  top_k?: number;
  min_p?: number;
  max_tokens?: number;
  stop?: string[];
  seed?: number;
  n?: number;
}

export interface ChatRequest extends SamplingParams {
  messages: readonly ChatMessage[];
  tools?: readonly ToolSchema[];
  tool_choice?: "auto" | "none" | "required" | { type: "function"; function: { name: string } };
  response_format?: { type: string; json_schema?: JsonSchema };
  /** Merged into the request's body last. */
  extra_body?: Record<string, unknown>;
  /** Which slots the request uses. Default "train". */
  split?: "train" | "eval";
  /** Retries of this request, where fewer than the server's own `max_retries` are wanted: layers of retries must not multiply. */
  max_retries?: number;
  signal?: AbortSignal;
}

export interface ChatChoice {
  index: number;
  /** `reasoning_content` holds the reasoning whatever the provider calls it. */
  message: ChatMessage;
  finish_reason: FinishReason;
  /** The stop string that ended the answer, which the message no longer holds; absent where none did or nobody says. */
  matched_stop?: string;
  /**
   * What in the answer was meant as a tool call and is none, in words. Present, also when empty, where the calls were
   * read from the model's own text: nobody has to read it again.
   */
  problems?: readonly string[];
}

export interface ChatCompletion {
  id: string;
  model: string;
  choices: ChatChoice[];
  usage: Usage;
  /** Milliseconds from the first attempt's start, waiting for a slot excluded. */
  latencyMs: number;
  /** HTTP requests made, retries and `n` splitting included. */
  attempts: number;
  /** Index of the server that answered. */
  server: number;
}

export interface CompletionRequest extends SamplingParams {
  prompt: string;
  extra_body?: Record<string, unknown>;
  split?: "train" | "eval";
  signal?: AbortSignal;
}

export interface CompletionResult {
  choices: { index: number; text: string; finish_reason: FinishReason }[];
  usage: Usage;
  latencyMs: number;
  attempts: number;
  server: number;
}

/** Anything that can answer a chat: the server manager, a session, or a caller's own object. */
export interface ChatServer {
  chatCompletion(request: ChatRequest): Promise<ChatCompletion>;
  /** Exact number of prompt tokens that the request would send; absent where no tokenizer is at hand. */
  promptTokens?(request: ChatRequest): number;
}

/** One sampled continuation with its exact tokens. */
export interface TokenCompletion {
  /** Exactly the ids that were sampled, end-of-turn token included if the engine sampled it. */
  tokens: number[];
  /** Natural logarithm, one per token, of the distribution that the server states. */
  logprobs: number[];
  finish_reason: FinishReason;
  /** Version of the weights that sampled it; null where the server does not say. */
  weight_version: number | null;
}

export interface TokenRequest extends SamplingParams {
  prompt_token_ids: readonly number[];
  stop_token_ids?: readonly number[];
  split?: "train" | "eval";
  max_retries?: number;
  signal?: AbortSignal;
}

export interface TokenResult {
  completions: TokenCompletion[];
  usage: Usage;
  latencyMs: number;
  attempts: number;
  server: number;
}

/** `[position][k]`; position 0 has no prediction and holds empty rows. */
export interface PromptLogprobs {
  prompt_tokens: number[];
  prompt_topk_token_ids: number[][];
  prompt_topk_logprobs: number[][];
}

/** A server that takes and returns token ids: vllm, sglang, embedded. */
export interface TokenServer {
  generate(request: TokenRequest): Promise<TokenResult>;
  promptLogprobs(tokens: readonly number[], topK: number, signal?: AbortSignal): Promise<PromptLogprobs>;
}
