/**
 * One server of the pool: its client (made on first use), its slots for training and evaluation, its adaptive limit, its
 * health and its numbers. A slot is held for exactly one HTTP attempt.
 */
import type { Clock, LachesisError, Usage } from "../core/index.ts";
import { AdaptiveLimit } from "./adaptive-limit.ts";
import type { ClientServices, InferenceClient } from "./client.ts";
import { type HealthTimings, HealthWatch } from "./health-watch.ts";
import type { ServerConfig } from "./server-config.ts";
import { ServerMetrics, type Split } from "./server-metrics.ts";
import { clientFactoryOf } from "./server-types.ts";

export class Server {
  readonly index: number;
  readonly config: ServerConfig;
  readonly limit: AdaptiveLimit;
  readonly metrics: ServerMetrics;
  readonly health: HealthWatch;
  /** True once the server gave one choice where more were asked for. */
  ignoresN: boolean;
  /** No new requests before this monotonic time: the server asked to be left alone. */
  pausedUntil = 0;
  readonly #services: ClientServices;
  readonly #clock: Clock;
  readonly #inFlight: Record<Split, number> = { train: 0, eval: 0 };
  #client: Promise<InferenceClient> | null = null;
  /** Refusals since the last answer. */
  #refusals = 0;

  constructor(index: number, config: ServerConfig, services: ClientServices, timings: HealthTimings, onUp: () => void) {
    this.index = index;
    this.config = config;
    this.ignoresN = config.n_kwarg_is_ignored;
    this.#services = services;
    this.#clock = services.clock;
    this.limit = new AdaptiveLimit(config.num_max_requests_at_once + config.num_requests_for_eval, this.#clock.now());
    this.metrics = new ServerMetrics(config.rolling_buffer_length);
    this.health = new HealthWatch({
      clock: services.clock,
      timings,
      onUp,
      probe: config.health_check ? async (attempt) => (await this.client()).probe(attempt) : null,
    });
  }

  /** The client; an optional dependency that is missing rejects here. */
  client(): Promise<InferenceClient> {
    if (this.#client === null) {
      this.#client = clientFactoryOf(this.config.server_type)(this.config, this.#services);
      // Without a caller of its own a failure must not count as unhandled; every caller sees it.
      this.#client.catch(() => undefined);
    }
    return this.#client;
  }

  get inFlight(): number {
    return this.#inFlight.train + this.#inFlight.eval;
  }

  /** Slots of this split that may be used now; at least one, so that nothing waits for ever. */
  slots(split: Split, weight: number): number {
    const most = split === "train" ? this.config.num_max_requests_at_once : this.config.num_requests_for_eval;
    return Math.max(1, Math.floor(most * this.config.weight * weight * this.limit.share));
  }

  free(split: Split, weight: number): number {
    return this.slots(split, weight) - this.#inFlight[split];
  }

  take(split: Split): void {
    this.#inFlight[split]++;
  }

  giveBack(split: Split): void {
    this.#inFlight[split]--;
  }

  /** One attempt was answered. */
  succeeded(startedAt: number, usage: Usage): void {
    const now = this.#clock.now();
    this.#refusals = 0;
    this.health.answered();
    this.limit.succeeded(now, now - startedAt, usage.completion_tokens);
  }

  /** One attempt failed; called while its slot is still held. */
  failed(startedAt: number, error: LachesisError, retryAfterMs: number | null): void {
    const now = this.#clock.now();
    this.metrics.failed(error.code);
    if (error.code === "rate_limited" || error.details.status === 503) {
      this.limit.refused(now, this.inFlight);
      this.#refusals++;
      // A lone refusal delays only its own request; two in a row speak for the whole account.
      if (retryAfterMs !== null && this.#refusals >= 2)
        this.pausedUntil = Math.max(this.pausedUntil, now + retryAfterMs);
    }
    if (error.code === "timeout") this.limit.timedOut(now, startedAt);
    if (error.code === "connection" || error.code === "server_error") this.health.failed(error);
    else if (error.code !== "timeout" && error.code !== "cancelled") this.health.answered();
  }

  async close(): Promise<void> {
    this.health.close();
    if (this.#client === null) return;
    const [client] = await Promise.allSettled([this.#client]);
    if (client.status === "fulfilled") await client.value.close();
  }
}
