/** A store for tests and trials: everything is gone with the process. */
import { LachesisError } from "../../core/index.ts";
import type { Row } from "../state/records.ts";
import { inLoadingOrder, LiveRuns } from "./live-runs.ts";
import type { Store } from "./store.ts";

interface KeptRun {
  rows: Map<string, Row>;
  payloads: Map<number, Uint8Array>;
}

export function memoryStore(): Store {
  const kept = new Map<string, KeptRun>();
  const runs = new LiveRuns({
    load: async (run) => inLoadingOrder([...(kept.get(run)?.rows.values() ?? [])]),
    async save(run, rows) {
      const target = kept.get(run) ?? { rows: new Map(), payloads: new Map() };
      kept.set(run, target);
      for (const row of rows) keep(target, row);
    },
  });
  return {
    name: "memory:",
    update: (run, work) => runs.update(run, work),
    read: (run, work) => runs.read(run, work),
    watch: (run, listener) => runs.watch(run, listener),
    runs: async () => [...kept.keys()],
    async payloads(run, groups) {
      return groups.map((id) => {
        const payload = kept.get(run)?.payloads.get(id);
        if (!payload) throw new LachesisError("not_found", `Run "${run}" no longer has group ${id}.`);
        return payload;
      });
    },
    async deleteRun(run) {
      kept.delete(run);
      runs.forget(run);
    },
    close: async () => {},
  };
}

function keep(run: KeptRun, row: Row): void {
  const key = `${row.table}:${row.id}`;
  if (row.table === "group") {
    if (row.body === null) run.payloads.delete(Number(row.id));
    else if (row.payload) run.payloads.set(Number(row.id), row.payload);
  }
  if (row.body === null) run.rows.delete(key);
  else run.rows.set(key, row.table === "group" ? { table: "group", id: row.id, body: row.body } : row);
}
