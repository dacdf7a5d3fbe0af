/** Hands saves on to a SQLite thread in order; those that came while the disk was busy go together. */
import type { SqliteThread } from "./sqlite-thread.ts";
import type { SqliteSave } from "./sqlite-worker.ts";

interface Waiting {
  save: SqliteSave;
  resolve(): void;
  reject(error: unknown): void;
}

export class SaveQueue {
  readonly #thread: SqliteThread;
  readonly #onFailed: (run: string) => void;
  #waiting: Waiting[] = [];
  #running: Promise<void> | null = null;

  /** `onFailed` hears of each run whose save failed before anybody else can act on it. */
  constructor(thread: SqliteThread, onFailed: (run: string) => void) {
    this.#thread = thread;
    this.#onFailed = onFailed;
  }

  add(save: SqliteSave): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ save, resolve, reject });
      this.#running ??= this.#run();
    });
  }

  async settled(): Promise<void> {
    while (this.#running) await this.#running;
  }

  async #run(): Promise<void> {
    // Let the other handlers of this moment add theirs.
    await null;
    while (this.#waiting.length > 0) {
      const together = this.#waiting;
      this.#waiting = [];
      try {
        await this.#thread.save(together.map(({ save }) => save));
        for (const waiting of together) waiting.resolve();
      } catch (error) {
        // Those that came meanwhile were worked out on a state that is not on disk: they fail with these.
        const failed = [...together, ...this.#waiting];
        this.#waiting = [];
        for (const { save } of failed) this.#onFailed(save.run);
        for (const waiting of failed) waiting.reject(error);
      }
    }
    this.#running = null;
  }
}
