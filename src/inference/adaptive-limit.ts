/**
 * How many requests a server takes at once, learnt while it works. Each refusal (429, 503) proves that one request was
 * too many, so a burst that hits a capacity C leaves the limit near C at once; each round without a refusal raises it by
 * a step that doubles, so a limit that was too low recovers in a logarithm of rounds. Latency that multiplies without
 * more throughput, and time-outs, lower it too. Every change is recorded with its reason.
 */

export type LimitReason = "start" | "refused" | "timeout" | "latency" | "recovered";

export interface LimitChange {
  /** Monotonic milliseconds of the clock in use. */
  at: number;
  limit: number;
  reason: LimitReason;
}

const MAX_HISTORY = 500;
const MIN_ROUND = 32;
const MAX_ROUND = 256;
/** A round counts as slow when a token takes this many times as long as in the best round … */
const SLOW_FACTOR = 3;
/** … and throughput fell below this share of the best. */
const THROUGHPUT_SHARE = 0.9;
/** What was best is slowly forgotten: prompts grow longer in the course of a run. */
const BASELINE_DRIFT = 1.05;

export class AdaptiveLimit {
  readonly max: number;
  #limit: number;
  #step = 1;
  #successes = 0;
  #lastTimeoutCut = Number.NEGATIVE_INFINITY;
  #round: { startedAt: number; msPerToken: number[] };
  #bestMsPerToken = Number.POSITIVE_INFINITY;
  #bestThroughput = 0;
  readonly #history: LimitChange[] = [];

  constructor(max: number, now: number) {
    this.max = max;
    this.#limit = max;
    this.#round = { startedAt: now, msPerToken: [] };
    this.#record(now, "start");
  }

  get limit(): number {
    return this.#limit;
  }

  /** Share of the configured slots that may be used now. */
  get share(): number {
    return this.#limit / this.max;
  }

  /** The changes, oldest first; of a long run the newest 500. */
  get history(): readonly LimitChange[] {
    return this.#history;
  }

  succeeded(now: number, ms: number, tokens: number): void {
    this.#watchLatency(now, ms / Math.max(1, tokens));
    if (this.#limit >= this.max) return;
    this.#successes++;
    if (this.#successes < this.#limit) return;
    this.#successes = 0;
    this.#set(now, Math.min(this.max, this.#limit + this.#step), "recovered");
    this.#step = Math.min(this.#step * 2, Math.max(1, this.#limit));
  }

  /** A 429 or 503 while `inFlight` requests, the refused one included, were at the server. */
  refused(now: number, inFlight: number): void {
    this.#step = 1;
    this.#successes = 0;
    this.#set(now, Math.min(this.#limit, inFlight) - 1, "refused");
  }

  /** A time-out of a request sent at `startedAt`. Those that were in flight together count once. */
  timedOut(now: number, startedAt: number): void {
    if (startedAt < this.#lastTimeoutCut) return;
    this.#lastTimeoutCut = now;
    this.#step = 1;
    this.#successes = 0;
    this.#set(now, Math.floor(this.#limit * 0.7), "timeout");
  }

  #watchLatency(now: number, msPerToken: number): void {
    const round = this.#round;
    round.msPerToken.push(msPerToken);
    const size = round.msPerToken.length;
    if (size < Math.min(MAX_ROUND, Math.max(MIN_ROUND, this.#limit))) return;
    const median = round.msPerToken.sort((a, b) => a - b)[Math.floor(size / 2)] ?? 0;
    const throughput = size / Math.max(1, now - round.startedAt);
    this.#round = { startedAt: now, msPerToken: [] };
    const slow = median > this.#bestMsPerToken * SLOW_FACTOR && throughput < this.#bestThroughput * THROUGHPUT_SHARE;
    this.#bestMsPerToken = Math.min(median, this.#bestMsPerToken * BASELINE_DRIFT);
    this.#bestThroughput = Math.max(throughput, this.#bestThroughput / BASELINE_DRIFT);
    // A server whose prompts merely grew must not be strangled: latency alone never takes more than three quarters.
    const floor = Math.max(1, Math.ceil(this.max / 4));
    if (!slow || this.#limit <= floor) return;
    this.#step = 1;
    this.#successes = 0;
    this.#set(now, Math.max(floor, Math.floor(this.#limit * 0.9)), "latency");
  }

  #set(now: number, value: number, reason: LimitReason): void {
    const limit = Math.max(1, value);
    if (limit === this.#limit) return;
    this.#limit = limit;
    this.#record(now, reason);
  }

  /** A burst of refusals is one fall: the last entry of the same kind in the same half second is moved, not doubled. */
  #record(at: number, reason: LimitReason): void {
    const last = this.#history.at(-1);
    if (last !== undefined && last.reason === reason && reason !== "start" && at - last.at < 500) {
      last.limit = this.#limit;
      return;
    }
    this.#history.push({ at, limit: this.#limit, reason });
    if (this.#history.length > MAX_HISTORY) this.#history.splice(1, 1);
  }
}
