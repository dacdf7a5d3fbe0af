/**
 * A number per run that grows with every change this process hears of, and waiting for it. It counts from the process's
 * start, so a number of an earlier process is answered at once.
 */
import type { Store } from "../stores/store.ts";

interface Watched {
  revision: number;
  waiting: Set<() => void>;
}

export class Revisions {
  readonly #store: Store;
  readonly #closing: AbortSignal;
  readonly #runs = new Map<string, Watched>();

  constructor(store: Store, closing: AbortSignal) {
    this.#store = store;
    this.#closing = closing;
    closing.addEventListener("abort", () => {
      for (const { waiting } of this.#runs.values()) for (const wake of waiting) wake();
    });
  }

  /** The revision, as soon as it is another than `since`, or after `waitMs`. */
  async after(run: string, since: number | null, waitMs: number): Promise<number> {
    const watched = this.#watched(run);
    if (since === watched.revision && waitMs > 0 && !this.#closing.aborted) {
      await new Promise<void>((resolve) => {
        const wake = () => {
          clearTimeout(timer);
          watched.waiting.delete(wake);
          resolve();
        };
        const timer = setTimeout(wake, waitMs);
        watched.waiting.add(wake);
      });
    }
    return watched.revision;
  }

  #watched(run: string): Watched {
    let watched = this.#runs.get(run);
    if (!watched) {
      const fresh: Watched = { revision: 1, waiting: new Set() };
      this.#store.watch(run, () => {
        fresh.revision++;
        for (const wake of fresh.waiting) wake();
      });
      this.#runs.set(run, fresh);
      watched = fresh;
    }
    return watched;
  }
}
