/**
 * The inference servers' part of a row of metrics. Beside the numbers it holds how each server's limit changed since the
 * row before: `12.3 s: 64 refused, 15.0 s: 72 recovered`, by the seconds since the run began.
 */
import type { ServerManager } from "../inference/index.ts";
import type { MetricRow } from "../metrics/index.ts";

/** Gives the function that makes the next row's part. */
export function serverMetrics(servers: Pick<ServerManager, "metrics" | "limitHistory">): () => MetricRow {
  const began = servers.limitHistory().map(({ changes }) => changes[0]?.at ?? 0);
  const shownUntil = began.map(() => Number.NEGATIVE_INFINITY);
  return () => {
    const row: MetricRow = { ...servers.metrics() };
    for (const { server, changes } of servers.limitHistory()) {
      const fresh = changes.filter(({ at }) => at > shownUntil[server]!);
      if (fresh.length === 0) continue;
      shownUntil[server] = fresh.at(-1)!.at;
      row[`server/server_${server}_limit_history`] = fresh
        .map(({ at, limit, reason }) => `${((at - began[server]!) / 1000).toFixed(1)} s: ${limit} ${reason}`)
        .join(", ");
    }
    return row;
  };
}
