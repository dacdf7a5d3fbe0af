/**
 * Whether a server lives. Failures in a row raise the question, a free call answers it, and a server that is down is
 * asked again until it is back. Where such calls are not allowed, it is left aside for a while and then tried again.
 */
import { type Clock, type LachesisError, toLachesisError } from "../core/index.ts";
import type { Attempt } from "./client.ts";

export interface HealthTimings {
  /** Failures in a row, without an answer between them, that raise the question. */
  failuresBeforeCheck: number;
  probeTimeoutMs: number;
  /** Between two questions to a server that is down; the first comes sooner. */
  probeIntervalMs: number;
  /** How long requests wait for a server that went down, where no other is up. */
  graceMs: number;
}

export const DEFAULT_HEALTH: HealthTimings = {
  failuresBeforeCheck: 3,
  probeTimeoutMs: 5_000,
  probeIntervalMs: 2_000,
  graceMs: 30_000,
};

export interface HealthWatchOptions {
  clock: Clock;
  timings: HealthTimings;
  /** null: no calls but the paid ones exist. */
  probe: ((attempt: Attempt) => Promise<void>) | null;
  /** Called when a server that was down is used again, and when the wait for it is over. */
  onUp(): void;
}

export class HealthWatch {
  readonly #options: HealthWatchOptions;
  readonly #closing = new AbortController();
  #failures = 0;
  #downSince: number | null = null;
  #watching: Promise<void> | null = null;
  #lastError: LachesisError | null = null;

  constructor(options: HealthWatchOptions) {
    this.#options = options;
  }

  get isDown(): boolean {
    return this.#downSince !== null;
  }

  /** True when the server has been down for longer than anyone waits. */
  get isGivenUp(): boolean {
    const { clock, timings } = this.#options;
    return this.#downSince !== null && clock.now() - this.#downSince >= timings.graceMs;
  }

  /** Why the server counts as down; null while it is up. */
  get lastError(): LachesisError | null {
    return this.#lastError;
  }

  answered(): void {
    this.#failures = 0;
    if (this.#downSince !== null) this.#rise();
  }

  failed(error: LachesisError): void {
    this.#failures++;
    if (this.#failures < this.#options.timings.failuresBeforeCheck || this.#watching !== null) return;
    this.#failures = 0;
    this.#lastError = error;
    this.#watching = this.#watch().finally(() => {
      this.#watching = null;
    });
  }

  /** Asks once, now; used at the start. A server that does not answer is down and watched from here on. */
  async check(): Promise<boolean> {
    if (this.#options.probe === null || (await this.#lives())) return true;
    this.#sink();
    this.#watching ??= this.#watch().finally(() => {
      this.#watching = null;
    });
    return false;
  }

  close(): void {
    this.#closing.abort();
  }

  /** Settles when the server is up or the watch is closed. */
  async #watch(): Promise<void> {
    const { clock, timings, probe } = this.#options;
    if (this.#downSince === null && probe !== null && (await this.#lives())) return;
    this.#sink();
    let waitMs = timings.probeIntervalMs / 4;
    while (this.#downSince !== null && !this.#closing.signal.aborted) {
      const wait = clock.sleep(waitMs, this.#closing.signal);
      const slept = await wait.then(
        () => true,
        () => false,
      );
      if (!slept) return;
      if (this.isGivenUp) this.#options.onUp();
      waitMs = timings.probeIntervalMs;
      if (this.#downSince !== null && (probe === null || (await this.#lives()))) this.#rise();
    }
  }

  async #lives(): Promise<boolean> {
    const { probe, timings } = this.#options;
    if (probe === null) return true;
    try {
      await probe({ timeoutMs: timings.probeTimeoutMs, signal: this.#closing.signal });
      return true;
    } catch (error) {
      this.#lastError = toLachesisError(error, "connection");
      return false;
    }
  }

  #sink(): void {
    this.#downSince ??= this.#options.clock.now();
  }

  #rise(): void {
    this.#downSince = null;
    this.#failures = 0;
    this.#lastError = null;
    this.#options.onUp();
  }
}
