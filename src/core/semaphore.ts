/** A counting semaphore whose limit may change while it is in use, and whose waiters can be aborted. First come, first served. */
import { LachesisError } from "./errors.ts";

interface Waiter {
  start(): void;
}

export class Semaphore {
  #limit: number;
  #held = 0;
  readonly #waiting = new Set<Waiter>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  get limit(): number {
    return this.#limit;
  }

  set limit(value: number) {
    this.#limit = value;
    this.#admit();
  }

  get held(): number {
    return this.#held;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** Waits for a place and gives the function that returns it. Throws `cancelled` when the signal aborts first. */
  acquire(signal?: AbortSignal): Promise<() => void> {
    if (signal?.aborted) return Promise.reject(cancelled(signal));
    if (this.#held < this.#limit && this.#waiting.size === 0) {
      this.#held++;
      return Promise.resolve(this.#releaser());
    }
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        this.#waiting.delete(waiter);
        reject(cancelled(signal!));
      };
      const waiter: Waiter = {
        start: () => {
          signal?.removeEventListener("abort", onAbort);
          resolve(this.#releaser());
        },
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#waiting.add(waiter);
    });
  }

  /** Runs `work` while holding a place. */
  async run<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const release = await this.acquire(signal);
    try {
      return await work();
    } finally {
      release();
    }
  }

  #releaser(): () => void {
    let released = false;
    return () => {
      if (released) return;
      released = true;
      this.#held--;
      this.#admit();
    };
  }

  #admit(): void {
    for (const waiter of this.#waiting) {
      if (this.#held >= this.#limit) return;
      this.#waiting.delete(waiter);
      this.#held++;
      waiter.start();
    }
  }
}

function cancelled(signal: AbortSignal): LachesisError {
  return signal.reason instanceof LachesisError
    ? signal.reason
    : new LachesisError("cancelled", "Cancelled while waiting.", { cause: signal.reason });
}
