/** Makes saves durable in order, small ones here and others on a SQLite thread; those that came while the disk was busy go together. */
import { setImmediate } from "node:timers/promises";
import type { SmallSaves } from "./small-saves.ts";
import type { SqliteSave } from "./sqlite-save.ts";
import { type SqliteThread, storeError } from "./sqlite-thread.ts";

interface Waiting {
  save: SqliteSave;
  resolve(): void;
  reject(error: unknown): void;
}

export class SaveQueue {
  readonly #thread: SqliteThread;
  readonly #small: SmallSaves;
  readonly #onFailed: (run: string) => void;
  #waiting: Waiting[] = [];
  #running: Promise<void> | null = null;

  /** `onFailed` hears of each run whose save failed before anybody else can act on it. */
  constructor(thread: SqliteThread, small: SmallSaves, onFailed: (run: string) => void) {
    this.#thread = thread;
    this.#small = small;
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
    // Let the other requests that have arrived add theirs.
    await setImmediate();
    while (this.#waiting.length > 0) {
      const together = this.#waiting;
      this.#waiting = [];
      try {
        await this.#save(together.map(({ save }) => save));
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

  async #save(saves: SqliteSave[]): Promise<void> {
    // With the thread the lock on the file is gone: another server may be writing.
    if (this.#thread.ended) throw this.#thread.ended;
    if (!this.#small.takes(saves) || !this.#saveHere(saves)) await this.#thread.save(saves);
  }

  #saveHere(saves: SqliteSave[]): boolean {
    try {
      return this.#small.save(saves);
    } catch (error) {
      throw error instanceof Error ? storeError(error, this.#thread.file) : error;
    }
  }
}
