/**
 * What a client of one server does: exactly one HTTP attempt per call, or as many as the protocol itself needs. It knows
 * neither retries nor limits; those live in the server manager alone, so that they cannot multiply.
 */
import type { Clock, Logger, Usage } from "../core/index.ts";
import type {
  ChatChoice,
  ChatRequest,
  CompletionRequest,
  CompletionResult,
  PromptLogprobs,
  TokenCompletion,
  TokenRequest,
} from "./contract.ts";
import type { PriceTable, ReasoningOptions, ServerConfig } from "./server-config.ts";

/** Bounds of one attempt; the time-out covers the body. */
export interface Attempt {
  timeoutMs: number;
  signal?: AbortSignal;
}

export interface ChatAnswer {
  id: string;
  model: string;
  choices: ChatChoice[];
  usage: Usage;
}

export interface CompletionAnswer {
  choices: CompletionResult["choices"];
  usage: Usage;
}

export interface TokenAnswer {
  completions: TokenCompletion[];
  usage: Usage;
}

/** A server's client. A method that is missing is something that this type of server cannot do. */
export interface InferenceClient {
  chat?(request: ChatRequest, attempt: Attempt): Promise<ChatAnswer>;
  completion?(request: CompletionRequest, attempt: Attempt): Promise<CompletionAnswer>;
  generate?(request: TokenRequest, attempt: Attempt): Promise<TokenAnswer>;
  promptLogprobs?(
    tokens: readonly number[],
    topK: number,
    attempt: Attempt,
  ): Promise<{ logprobs: PromptLogprobs; usage: Usage }>;
  /** A free call that tells whether the server lives. Throws where it does not. */
  probe(attempt: Attempt): Promise<void>;
  close(): Promise<void>;
}

/** What a client is given beside its configuration. */
export interface ClientServices {
  env: NodeJS.ProcessEnv;
  clock: Clock;
  logger: Logger;
  reasoning: ReasoningOptions;
  prices?: PriceTable;
}

export type ClientFactory = (config: ServerConfig, services: ClientServices) => Promise<InferenceClient>;
