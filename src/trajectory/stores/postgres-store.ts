/**
 * A store that several servers share: each holds the runs in memory as the other stores do, catches up with the rows
 * that others changed, and works on a run only while it holds the lock of the run's row.
 */
import { Socket } from "node:net";
import type { Pool } from "pg";
import { LachesisError } from "../../core/index.ts";
import { postgresError } from "./postgres-error.ts";
import { PostgresListener } from "./postgres-listener.ts";
import { type PendingWork, PostgresRun } from "./postgres-run.ts";
import { migrate } from "./postgres-schema.ts";
import type { Store } from "./store.ts";

const CONNECTIONS = 8;
/** A database that has gone without a word is given up after so long. */
const QUERY_MS = 120_000;
/** It must not hold up the server's end either. */
const END_MS = 1_000;

/** Throws `missing_dependency` without the package `pg`, `api_unavailable` where the database cannot be reached. */
export async function postgresStore(address: string): Promise<Store> {
  const { Client, Pool: PoolOf } = await loadPg();
  const sockets = new Set<Socket>();
  const connection = {
    connectionString: address,
    connectionTimeoutMillis: 10_000,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    stream: () => {
      const socket = new Socket();
      sockets.add(socket);
      return socket.once("close", () => sockets.delete(socket));
    },
  };
  const pool: Pool = new PoolOf({ ...connection, max: CONNECTIONS, query_timeout: QUERY_MS });
  // Connections break, also while nobody waits for an answer; whoever uses one is told by the query.
  pool.on("error", () => {});
  pool.on("connect", (client) => void client.on("error", () => {}));
  const listener = new PostgresListener(() => new Client(connection));
  try {
    const client = await pool.connect();
    try {
      await migrate(client);
    } finally {
      client.release();
    }
    await listener.start();
  } catch (error) {
    await listener.close();
    await pool.end();
    throw postgresError(error);
  }
  const runs = new Map<string, PostgresRun>();

  function perform<Result>(name: string, kind: PendingWork["kind"], work: PendingWork["work"]): Promise<Result> {
    const run = runs.get(name) ?? new PostgresRun(name, pool);
    runs.set(name, run);
    return run.perform(kind, work).finally(() => {
      if (run.isIdleAndBlank && runs.get(name) === run) runs.delete(name);
    }) as Promise<Result>;
  }

  return {
    name: publicName(address),
    shared: true,
    inMemory: false,
    update: (run, work) => perform(run, "update", work),
    tryUpdate: (run, work) => perform(run, "try", work),
    read: (run, work) => perform(run, "read", work),
    watch: (run, called) => listener.listeners.add(run, called),
    async runs() {
      const text = "SELECT run FROM lachesis_rows WHERE tbl = 'run' AND id = 'run' AND body IS NOT NULL ORDER BY run";
      const { rows } = await pool.query<{ run: string }>(text).catch(thrown);
      return rows.map(({ run }) => run);
    },
    async payloads(run, groups) {
      const text = "SELECT id, data FROM lachesis_payloads WHERE run = $1 AND id = ANY($2::bigint[])";
      const { rows } = await pool.query<{ id: string; data: Buffer }>(text, [run, groups]).catch(thrown);
      const found = new Map(rows.map(({ id, data }) => [Number(id), data]));
      return groups.map((id) => {
        const payload = found.get(id);
        if (!payload) throw new LachesisError("not_found", `Run "${run}" no longer has group ${id}.`);
        return payload;
      });
    },
    async close() {
      const cut = setTimeout(() => {
        for (const socket of sockets) socket.destroy();
      }, END_MS);
      await Promise.all([listener.close(), pool.end()]);
      clearTimeout(cut);
    },
  };
}

const thrown = (error: unknown): never => {
  throw postgresError(error);
};

async function loadPg(): Promise<Pick<typeof import("pg"), "Client" | "Pool">> {
  try {
    const module = await import("pg");
    return module.default;
  } catch (error) {
    throw new LachesisError("missing_dependency", "--store postgres:// needs the package pg: npm install pg@8", {
      cause: error,
    });
  }
}

function publicName(address: string): string {
  const { host, pathname } = new URL(address);
  return `postgres://${host}${pathname}`;
}
