/**
 * The default store: one SQLite file, written by one server process. Saves that arrive while the disk is busy are made
 * durable together, so that many small submits share one fsync.
 */
import { LachesisError } from "../../core/index.ts";
import type { Row } from "../state/records.ts";
import { inLoadingOrder, LiveRuns } from "./live-runs.ts";
import { SqliteThread } from "./sqlite-thread.ts";
import type { SqliteSave } from "./sqlite-worker.ts";
import type { Store } from "./store.ts";

export async function sqliteStore(file: string): Promise<Store> {
  const writer = new SqliteThread(file);
  await writer.ready;
  const reader = new SqliteThread(file, { readonly: true });
  await reader.ready;
  const saves = new SaveQueue(writer);
  const runs = new LiveRuns({
    async load(run) {
      await saves.settled();
      const stored = (await reader.ask({ type: "load", run })) as { tbl: Row["table"]; id: string; body: string }[];
      return inLoadingOrder(stored.map(({ tbl, id, body }) => ({ table: tbl, id, body: JSON.parse(body) }) as Row));
    },
    save: (run, rows) => saves.add({ run, rows: rows.map(stored) }),
  });
  return {
    name: `sqlite:${file}`,
    update: (run, work) => runs.update(run, work),
    read: (run, work) => runs.read(run, work),
    watch: (run, listener) => runs.watch(run, listener),
    runs: async () => (await reader.ask({ type: "runs" })) as string[],
    async payloads(run, groups) {
      const found = (await reader.ask({ type: "payloads", run, groups: [...groups] })) as (Uint8Array | null)[];
      return found.map((payload, index) => {
        if (!payload) throw new LachesisError("not_found", `Run "${run}" no longer has group ${groups[index]}.`);
        return payload;
      });
    },
    async deleteRun(run) {
      await saves.settled();
      await writer.ask({ type: "delete", run });
      runs.forget(run);
    },
    async close() {
      await saves.settled();
      await reader.close();
      await writer.close();
    },
  };
}

function stored(row: Row): SqliteSave["rows"][number] {
  const payload = row.table === "group" ? row.payload : undefined;
  return { table: row.table, id: row.id, body: row.body && JSON.stringify(row.body), ...(payload && { payload }) };
}

interface Waiting {
  save: SqliteSave;
  resolve(): void;
  reject(error: unknown): void;
}

/** Hands saves on in order; those that came while the disk was busy go together. */
class SaveQueue {
  readonly #thread: SqliteThread;
  #waiting: Waiting[] = [];
  #running: Promise<void> | null = null;

  constructor(thread: SqliteThread) {
    this.#thread = thread;
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
        await this.#thread.ask({ type: "save", saves: together.map(({ save }) => save) });
        for (const waiting of together) waiting.resolve();
      } catch (error) {
        // Those that came meanwhile were worked out on a state that is not on disk: they fail with these.
        const failed = [...together, ...this.#waiting];
        this.#waiting = [];
        for (const waiting of failed) waiting.reject(error);
      }
    }
    this.#running = null;
  }
}
