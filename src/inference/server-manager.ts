/**
 * The inference servers of a run as one. A request waits for a slot at the healthy server with most free slots, is made,
 * and is made again by error class: this is the only layer that retries. Cancelling it gives its slot back at once.
 */
import {
  addUsage,
  type Clock,
  logger as defaultLogger,
  type ErrorCode,
  LachesisError,
  type Logger,
  noUsage,
  systemClock,
  toLachesisError,
  type Usage,
} from "../core/index.ts";
import type { LimitChange } from "./adaptive-limit.ts";
import { cancelledBy } from "./cancellation.ts";
import { inCalls } from "./choice-splitting.ts";
import type { Attempt, ChatAnswer, ClientServices, CompletionAnswer, InferenceClient, TokenAnswer } from "./client.ts";
import type {
  ChatCompletion,
  ChatRequest,
  ChatServer,
  CompletionRequest,
  CompletionResult,
  PromptLogprobs,
  TokenRequest,
  TokenResult,
  TokenServer,
} from "./contract.ts";
import { DEFAULT_HEALTH, type HealthTimings } from "./health-watch.ts";
import { NO_REASONING_OPTIONS } from "./reasoning-options.ts";
import { askedWaitMs, DEFAULT_RETRY, type RetryPolicy, waitMs } from "./retry-policy.ts";
import { Server } from "./server.ts";
import { type PriceTable, type ReasoningOptions, ServerConfig, type ServerConfigInput } from "./server-config.ts";
import type { Split } from "./server-metrics.ts";
import { closedError, type Hold, ServerPool } from "./server-pool.ts";

export interface ServerManagerOptions {
  /** Most choices to ask for in one call. Default 8. */
  maxNCompletions?: number;
  /** The environment's share of every server's slots, 0..1. Default 1. */
  weight?: number;
  /** Chat requests only; never applied to token-level calls. */
  reasoning?: Partial<ReasoningOptions>;
  /** USD per million tokens by model; a cost that the server states wins. */
  priceTable?: PriceTable;
  retry?: Partial<RetryPolicy>;
  health?: Partial<HealthTimings>;
  clock?: Clock;
  logger?: Logger;
  /** Where keys, proxies and base URLs are looked up. Default `process.env`. */
  env?: NodeJS.ProcessEnv;
}

/** How one call went, beside its answer. */
interface Effort {
  latencyMs: number;
  attempts: number;
  server: number;
}

interface CallLimits {
  split: Split;
  maxRetries: number | undefined;
  signal: AbortSignal | undefined;
}

/**
 * @example
 * const servers = new ServerManager({ base_url: "http://127.0.0.1:8000/v1", model_name: "qwen" });
 * const { choices } = await servers.chatCompletion({ messages: [{ role: "user", content: "Hello" }] });
 * await servers.close();
 */
export class ServerManager implements ChatServer, TokenServer {
  readonly servers: readonly Server[];
  readonly #pool: ServerPool;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #retry: RetryPolicy;
  readonly #maxN: number;

  /** Throws `config_invalid` for an empty or contradictory list. */
  constructor(configs: ServerConfigInput | readonly ServerConfigInput[], options: ServerManagerOptions = {}) {
    this.#clock = options.clock ?? systemClock;
    this.#logger = options.logger ?? defaultLogger;
    this.#retry = { ...DEFAULT_RETRY, ...options.retry };
    this.#maxN = Math.max(1, options.maxNCompletions ?? 8);
    const services: ClientServices = {
      env: options.env ?? process.env,
      clock: this.#clock,
      logger: this.#logger,
      reasoning: { ...NO_REASONING_OPTIONS, ...options.reasoning },
      ...(options.priceTable === undefined ? {} : { prices: options.priceTable }),
    };
    const timings = { ...DEFAULT_HEALTH, ...options.health };
    this.servers = parsed(configs).map(
      (config, index) => new Server(index, config, services, timings, () => this.#pool.admit()),
    );
    this.#pool = new ServerPool(this.servers, this.#clock);
    if (options.weight !== undefined) this.#pool.weight = options.weight;
  }

  /** True where the servers take and give exact token ids. */
  get givesTokens(): boolean {
    return this.servers[0]!.config.server_type !== "openai";
  }

  /** The model that requests ask for. */
  get modelName(): string {
    return this.servers[0]!.config.model_name;
  }

  /** Tokens and money of every answer so far. */
  get usage(): Usage {
    return this.servers.reduce((sum, server) => addUsage(sum, server.metrics.usage), noUsage());
  }

  /** Changes the environment's share of the slots while requests are running. */
  setWeight(weight: number): void {
    this.#pool.weight = weight;
  }

  /**
   * A chat answer with `n` choices. Throws the error of the last attempt: `auth`, `model_not_found` (fatal to the run),
   * `context_overflow`, `content_filter`, `bad_request`, `cancelled`, or a retryable code whose retries are used up.
   */
  async chatCompletion(request: ChatRequest): Promise<ChatCompletion> {
    const one = async (part: ChatRequest) => {
      const { answer, effort } = await this.#call<ChatAnswer>(limitsOf(part), (client, attempt) =>
        offered(client.chat?.(part, attempt), "chat"),
      );
      this.#noteN(effort.server, part.n, answer.choices.length);
      return { ...answer, ...effort };
    };
    if (request.n === undefined || request.n <= 1) return one(request);
    const answers = await this.#split(request, one, (answer) => answer.choices.length);
    const choices = answers.flatMap((answer) => answer.choices).slice(0, request.n);
    return { ...answers[0]!, ...together(answers), choices: choices.map((choice, index) => ({ ...choice, index })) };
  }

  /** A plain completion of a text, without a chat template. Errors as `chatCompletion`. */
  async completion(request: CompletionRequest): Promise<CompletionResult> {
    const one = async (part: CompletionRequest) => {
      const { answer, effort } = await this.#call<CompletionAnswer>(limitsOf(part), (client, attempt) =>
        offered(client.completion?.(part, attempt), "completion"),
      );
      this.#noteN(effort.server, part.n, answer.choices.length);
      return { ...answer, ...effort };
    };
    if (request.n === undefined || request.n <= 1) return one(request);
    const answers = await this.#split(request, one, (answer) => answer.choices.length);
    const choices = answers.flatMap((answer) => answer.choices).slice(0, request.n);
    return { ...together(answers), choices: choices.map((choice, index) => ({ ...choice, index })) };
  }

  /** Sampled continuations of exact token ids. `unsupported` where the server type has none. */
  async generate(request: TokenRequest): Promise<TokenResult> {
    const one = async (part: TokenRequest) => {
      const { answer, effort } = await this.#call<TokenAnswer>(limitsOf(part), (client, attempt) =>
        offered(client.generate?.(part, attempt), "token generation"),
      );
      this.#noteN(effort.server, part.n, answer.completions.length);
      return { ...answer, ...effort };
    };
    if (request.n === undefined || request.n <= 1) return one(request);
    const answers = await this.#split(request, one, (answer) => answer.completions.length);
    return { ...together(answers), completions: answers.flatMap((answer) => answer.completions).slice(0, request.n) };
  }

  /** Log-probabilities of a given sequence: `topK` likeliest tokens at each position. */
  async promptLogprobs(tokens: readonly number[], topK: number, signal?: AbortSignal): Promise<PromptLogprobs> {
    const limits: CallLimits = { split: "train", maxRetries: undefined, signal };
    const { answer } = await this.#call(limits, (client, attempt) =>
      offered(client.promptLogprobs?.(tokens, topK, attempt), "prompt log-probabilities"),
    );
    return answer.logprobs;
  }

  /**
   * Asks every server by a free call and settles when at least one lives. Throws the error of a server that does not
   * when none does within the time.
   */
  async waitUntilHealthy(options: { timeoutMs?: number; signal?: AbortSignal } = {}): Promise<void> {
    const deadline = this.#clock.now() + (options.timeoutMs ?? 30_000);
    let living = await Promise.all(this.servers.map((server) => server.health.check()));
    let said = false;
    while (!living.includes(true)) {
      if (options.signal?.aborted) throw cancelledBy(options.signal);
      const errors = this.servers.map((server) => server.health.lastError);
      const error = errors.find((candidate) => candidate !== null) ?? null;
      if (this.#clock.now() >= deadline) {
        throw new LachesisError("connection", `No inference server answers. ${error?.message ?? ""}`.trim(), {
          cause: error ?? undefined,
        });
      }
      if (!said) this.#logger.warn({ error: error?.message }, "no inference server answers yet; waiting");
      said = true;
      await this.#clock.sleep(200, options.signal).catch(() => undefined);
      living = this.servers.map((server) => !server.health.isDown);
    }
  }

  /**
   * Numbers for the run's metrics: `server/server_<i>_request_time_avg`, `_request_time_std`, `_request_time_99p`,
   * `_average_num_attempts`, the same with `eval_`, and limits, tokens, cost, failures by code.
   */
  metrics(): Record<string, number> {
    const report: Record<string, number> = {};
    for (const server of this.servers) {
      const prefix = `server/server_${server.index}_`;
      Object.assign(report, server.metrics.report(prefix));
      const { history } = server.limit;
      report[`${prefix}limit`] = server.limit.limit;
      report[`${prefix}limit_lowest`] = Math.min(...history.map((change) => change.limit));
      report[`${prefix}limit_changes`] = history.length - 1;
      report[`${prefix}in_flight`] = server.inFlight;
      report[`${prefix}healthy`] = server.health.isDown ? 0 : 1;
    }
    report["server/waiting"] = this.#pool.waiting("train") + this.#pool.waiting("eval");
    return report;
  }

  /** What each server's limit was, when it changed and why. */
  limitHistory(): { server: number; changes: readonly LimitChange[] }[] {
    return this.servers.map((server) => ({ server: server.index, changes: server.limit.history }));
  }

  /** Ends every connection; requests that wait or are in flight fail. */
  async close(): Promise<void> {
    this.#pool.close();
    await Promise.all(this.servers.map((server) => server.close()));
  }

  async #call<Answer extends { usage: Usage }>(
    limits: CallLimits,
    attempt: (client: InferenceClient, attempt: Attempt) => Promise<Answer>,
  ): Promise<{ answer: Answer; effort: Effort }> {
    const { split, signal } = limits;
    let failures = 0;
    let hold: Hold | null = null;
    let spentMs = 0;
    for (;;) {
      const { server, release } = await this.#pool.acquire(split, signal, hold);
      const startedAt = this.#clock.now();
      try {
        const client = await server.client();
        const bounds: Attempt = {
          timeoutMs: server.config.timeout * 1000,
          ...(signal === undefined ? {} : { signal }),
        };
        const answer = await attempt(client, bounds);
        server.succeeded(startedAt, answer.usage);
        spentMs += this.#clock.now() - startedAt;
        server.metrics.answered(split, spentMs, failures + 1, answer.usage);
        return { answer, effort: { latencyMs: spentMs, attempts: failures + 1, server: server.index } };
      } catch (thrown) {
        const error = this.#meaningOf(thrown, signal);
        const asked = askedWaitMs(error, this.#retry);
        server.failed(startedAt, error, asked);
        this.#pool.afterPause(server);
        failures++;
        const most = Math.min(server.config.max_retries, limits.maxRetries ?? Number.POSITIVE_INFINITY);
        if (!isRepeatable(error) || failures > most || server.health.isGivenUp) throw withAttempts(error, failures);
        const pause = waitMs(failures, asked, this.#retry);
        const now = this.#clock.now();
        hold = { server, until: now + pause };
        spentMs += now - startedAt + pause;
        this.#logger.debug({ server: server.index, code: error.code, failures, pause }, "model call failed");
      } finally {
        release();
      }
    }
  }

  /** What went wrong, where a connection that we cut ourselves is no fault of the server. */
  #meaningOf(thrown: unknown, signal: AbortSignal | undefined): LachesisError {
    if (signal?.aborted) return cancelledBy(signal);
    return this.#pool.isClosed ? closedError() : toLachesisError(thrown);
  }

  #split<Request extends ChatRequest | CompletionRequest | TokenRequest, Answer>(
    request: Request,
    one: (part: Request) => Promise<Answer>,
    sizeOf: (answer: Answer) => number,
  ): Promise<Answer[]> {
    const perCall = () => (this.servers.every((server) => server.ignoresN) ? 1 : this.#maxN);
    const call = ({ n, seed }: { n: number; seed: number | undefined }) =>
      one({ ...request, n, ...(seed === undefined ? {} : { seed }) });
    return inCalls(request.n ?? 1, request.seed, perCall, call, sizeOf);
  }

  #noteN(server: number, asked: number | undefined, given: number): void {
    if (asked !== undefined && asked > 1 && given === 1) this.servers[server]!.ignoresN = true;
  }
}

/** Codes of which the next attempt may go better. */
function isRepeatable(error: LachesisError): boolean {
  return error.retryable && error.fault === "server";
}

function withAttempts(error: LachesisError, attempts: number): LachesisError {
  if (attempts <= 1) return error;
  return new LachesisError(error.code as ErrorCode, `${error.message} (${attempts} attempts)`, {
    cause: error.cause ?? error,
    details: { ...error.details, attempts },
  });
}

async function offered<Answer>(answer: Promise<Answer> | undefined, what: string): Promise<Answer> {
  if (answer === undefined) {
    throw new LachesisError("unsupported", `This type of inference server offers no ${what}; see docs/inference.md.`);
  }
  return answer;
}

function limitsOf(request: { split?: Split; max_retries?: number; signal?: AbortSignal }): CallLimits {
  return { split: request.split ?? "train", maxRetries: request.max_retries, signal: request.signal };
}

/** Sums of the calls that make up one request. They ran side by side: the slowest counts. */
function together(answers: readonly (Effort & { usage: Usage })[]): Effort & { usage: Usage } {
  return {
    usage: answers.reduce((sum, answer) => addUsage(sum, answer.usage), noUsage()),
    latencyMs: Math.max(...answers.map((answer) => answer.latencyMs)),
    attempts: answers.reduce((sum, answer) => sum + answer.attempts, 0),
    server: answers[0]!.server,
  };
}

function parsed(configs: ServerConfigInput | readonly ServerConfigInput[]): ServerConfig[] {
  const list = (Array.isArray(configs) ? configs : [configs]) as readonly ServerConfigInput[];
  if (list.length === 0) throw new LachesisError("config_invalid", "openai: at least one inference server is needed.");
  const servers = list.map((config, index) => {
    const result = ServerConfig.safeParse(config);
    if (result.success) return result.data;
    const issue = result.error.issues[0];
    throw new LachesisError(
      "config_invalid",
      `openai[${index}].${issue?.path.join(".") ?? ""}: ${issue?.message ?? ""}`,
    );
  });
  const plain = servers.filter((server) => server.server_type === "openai").length;
  if (plain > 0 && plain < servers.length) {
    throw new LachesisError(
      "config_invalid",
      "openai: servers of type openai give no tokens and cannot stand beside those that do (vllm, sglang, trl, embedded).",
    );
  }
  return servers;
}
