/**
 * The server manager's client of type `embedded`. All clients of one model folder share one inference thread, which
 * ends with the last of them.
 */
import { resolve } from "node:path";
import { LachesisError } from "../../core/index.ts";
import type { Attempt, InferenceClient } from "../client.ts";
import type { ChatRequest, CompletionRequest, TokenRequest } from "../contract.ts";
import type { ServerConfig } from "../server-config.ts";
import { EmbeddedServer } from "./embedded-server.ts";
import { TINY_MODEL } from "./model.ts";

interface Shared {
  server: Promise<EmbeddedServer>;
  users: number;
}

const opened = new Map<string, Shared>();

/** `default` and `tiny` are the model that comes with Lachesis; anything else is a folder. */
export function embeddedModelFolder(name: string): string {
  return name === "default" || name === "tiny" ? TINY_MODEL : resolve(name);
}

export class EmbeddedClient implements InferenceClient {
  readonly #folder: string;
  readonly #server: EmbeddedServer;
  #open = true;

  private constructor(folder: string, server: EmbeddedServer) {
    this.#folder = folder;
    this.#server = server;
  }

  /** Throws `not_found`, `weights_invalid`, `tokenizer_error`. */
  static async open(config: Pick<ServerConfig, "model_name">): Promise<EmbeddedClient> {
    const folder = embeddedModelFolder(config.model_name);
    const shared = opened.get(folder) ?? { server: EmbeddedServer.open({ model: folder }), users: 0 };
    opened.set(folder, shared);
    shared.users++;
    try {
      return new EmbeddedClient(folder, await shared.server);
    } catch (error) {
      opened.delete(folder);
      throw error;
    }
  }

  /** The server itself: its tokenizer, its weights. */
  get server(): EmbeddedServer {
    return this.#server;
  }

  async chat(request: ChatRequest, attempt: Attempt) {
    return within(attempt, (signal) => this.#server.chatCompletion({ ...request, signal }));
  }

  async completion(request: CompletionRequest, attempt: Attempt) {
    return within(attempt, (signal) => this.#server.completion({ ...request, signal }));
  }

  async generate(request: TokenRequest, attempt: Attempt) {
    return within(attempt, (signal) => this.#server.generate({ ...request, signal }));
  }

  async promptLogprobs(tokens: readonly number[], topK: number, attempt: Attempt) {
    const logprobs = await within(attempt, (signal) => this.#server.promptLogprobs(tokens, topK, signal));
    const prompt = tokens.length;
    const usage = { prompt_tokens: prompt, completion_tokens: 0, total_tokens: prompt, cached_tokens: 0, cost_usd: 0 };
    return { logprobs, usage };
  }

  /** Weights that are loaded are alive. */
  async probe(): Promise<void> {
    if (!this.#open) throw new LachesisError("connection", "The embedded model was closed.");
  }

  async close(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    const shared = opened.get(this.#folder);
    if (!shared || --shared.users > 0) return;
    opened.delete(this.#folder);
    await this.#server.close();
  }
}

/** Runs a call under the attempt's signal and time-out; a time-out is `timeout`, whatever was being waited for. */
async function within<T>({ timeoutMs, signal }: Attempt, call: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const late = new AbortController();
  const timer = setTimeout(
    () => late.abort(new LachesisError("timeout", `The embedded model took longer than ${timeoutMs} ms.`)),
    Math.min(timeoutMs, 2 ** 31 - 1),
  );
  try {
    return await call(signal ? AbortSignal.any([signal, late.signal]) : late.signal);
  } finally {
    clearTimeout(timer);
  }
}
