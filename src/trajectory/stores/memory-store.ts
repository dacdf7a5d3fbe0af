/** A store for tests and trials: everything is gone with the process. */
import { LachesisError } from "../../core/index.ts";
import type { Row } from "../state/records.ts";
import { LiveRuns } from "./live-runs.ts";
import { inLoadingOrder } from "./loading-order.ts";
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
      for (const row of rows) keep(kept, run, row);
    },
  });
  return {
    name: "memory:",
    shared: false,
    inMemory: true,
    update: (run, work) => runs.update(run, work),
    // Nobody else works on them.
    tryUpdate: (run, work) => runs.update(run, work),
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
    close: async () => {},
  };
}

function keep(kept: Map<string, KeptRun>, run: string, row: Row): void {
  if (row.table === "clear") {
    kept.delete(run);
    return;
  }
  const target = kept.get(run) ?? { rows: new Map<string, Row>(), payloads: new Map<number, Uint8Array>() };
  kept.set(run, target);
  const key = `${row.table}:${row.id}`;
  if (row.table === "group") {
    if (row.body === null) target.payloads.delete(Number(row.id));
    else if (row.payload) target.payloads.set(Number(row.id), row.payload);
  }
  if (row.body === null) target.rows.delete(key);
  else target.rows.set(key, row.table === "group" ? { table: "group", id: row.id, body: row.body } : row);
}
