/**
 * The default store: one SQLite file, written by one server process. Saves that arrive while the disk is busy are made
 * durable together, so that many small submits share one fsync.
 */
import { LachesisError } from "../../core/index.ts";
import type { Row } from "../state/records.ts";
import { LiveRuns } from "./live-runs.ts";
import { inLoadingOrder } from "./loading-order.ts";
import { SaveQueue } from "./save-queue.ts";
import { SmallSaves } from "./small-saves.ts";
import type { SqliteSave } from "./sqlite-save.ts";
import { SqliteThread } from "./sqlite-thread.ts";
import type { Store } from "./store.ts";

export async function sqliteStore(file: string): Promise<Store> {
  const { writer, reader, small } = await openFile(file);
  const saves = new SaveQueue(writer, small, (run) => runs.forget(run));
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
    shared: false,
    inMemory: false,
    update: (run, work) => runs.update(run, work),
    // Nobody else works on them.
    tryUpdate: (run, work) => runs.update(run, work),
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
    async close() {
      await saves.settled();
      small.close();
      await reader.close();
      await writer.close();
    },
  };
}

/** Throws `config_invalid` where the file cannot be one, `conflict` where another server holds it. */
async function openFile(file: string): Promise<{ writer: SqliteThread; reader: SqliteThread; small: SmallSaves }> {
  const writer = new SqliteThread(file);
  await writer.ready;
  const reader = new SqliteThread(file, { readonly: true });
  try {
    await reader.ready;
    return { writer, reader, small: new SmallSaves(file) };
  } catch (error) {
    await reader.close();
    await writer.close();
    throw error;
  }
}

function stored(row: Row): SqliteSave["rows"][number] {
  const payload = row.table === "group" ? row.payload : undefined;
  return { table: row.table, id: row.id, body: row.body && JSON.stringify(row.body), ...(payload && { payload }) };
}
