/**
 * How a run is stopped, in two degrees. `stopNew` lets what is in flight finish and starts nothing more; `cancel` ends
 * what is in flight as well. Every try of a rollout has a signal of its own below the run's, kept in a plain set, because
 * thousands of them live at once.
 */
import { LachesisError } from "../core/index.ts";
import type { Outcome } from "../evaluation/index.ts";

const UNREACHABLE_ROLLOUTS = 32;
/** Milliseconds that cancelled work gets to end by itself; longer than a cancelled rollout needs. */
const LEFT_AFTER_MS = 10_000;

export class RunControl {
  readonly #live = new Set<AbortController>();
  #stopped: LachesisError | null = null;
  #cancelled: LachesisError | null = null;
  readonly #onStop = new Set<() => void>();
  /** Rollouts in a row that ended without a connection. */
  #unreachable = 0;

  /** Why nothing new is started, or null. */
  get stopped(): LachesisError | null {
    return this.#cancelled ?? this.#stopped;
  }

  /** Why everything was ended, or null. */
  get cancelled(): LachesisError | null {
    return this.#cancelled;
  }

  /** True when it was the user who ended everything. */
  get interrupted(): boolean {
    return this.#cancelled?.code === "cancelled";
  }

  /**
   * Told how each rollout ended. When nothing but broken connections came for a while, the server is gone, and going on
   * would only use up the items.
   */
  ended(outcome: Outcome): void {
    if (outcome.kind !== "aborted" || outcome.error.code !== "connection") {
      this.#unreachable = 0;
    } else if (++this.#unreachable >= UNREACHABLE_ROLLOUTS) {
      const message = `No inference server could be reached by the last ${this.#unreachable} rollouts. ${outcome.error.message}`;
      this.stopNew(new LachesisError("connection", message));
    }
  }

  /** The first reason is kept. */
  stopNew(reason: LachesisError): void {
    this.#stopped ??= reason;
    for (const listener of this.#onStop) listener();
  }

  cancel(reason: LachesisError): void {
    if (this.#cancelled) return;
    this.#cancelled = reason;
    for (const controller of this.#live) controller.abort(reason);
    this.#live.clear();
    for (const listener of this.#onStop) listener();
  }

  /** Calls `listener` at the first stop of either degree; gives the function that forgets it. */
  onStop(listener: () => void): () => void {
    this.#onStop.add(listener);
    if (this.stopped) listener();
    return () => void this.#onStop.delete(listener);
  }

  /** The work's result, or the reason at the first stop of either degree: what is waited for is not wanted any more. */
  unlessStopped<T>(work: Promise<T>): Promise<T> {
    return this.#race(work, (leave) => this.onStop(leave));
  }

  /** The work's result; once everything was cancelled it gets a while to end and is then left behind, with the reason. */
  unlessLeft<T>(work: Promise<T>): Promise<T> {
    return this.#race(work, (leave) => {
      let timer: NodeJS.Timeout | null = null;
      const forget = this.onStop(() => {
        if (this.#cancelled) timer ??= setTimeout(leave, LEFT_AFTER_MS);
      });
      return () => {
        forget();
        if (timer) clearTimeout(timer);
      };
    });
  }

  async #race<T>(work: Promise<T>, watch: (leave: () => void) => () => void): Promise<T> {
    let forget = () => {};
    const left = new Promise<never>((_, reject) => {
      forget = watch(() => reject(this.stopped));
    });
    try {
      return await Promise.race([work, left]);
    } finally {
      forget();
    }
  }

  /** A controller below the run; `release` it when its work is over. */
  child(): AbortController {
    const controller = new AbortController();
    if (this.#cancelled) controller.abort(this.#cancelled);
    else this.#live.add(controller);
    return controller;
  }

  release(controller: AbortController): void {
    this.#live.delete(controller);
  }
}
