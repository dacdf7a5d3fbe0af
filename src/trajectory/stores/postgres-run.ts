/**
 * One run of a Postgres store. Work that came in while the database was busy is done together: lock the run's row, take
 * over what others changed, do the work, write its rows under a new version, tell everybody, commit.
 */
import type { Pool, PoolClient } from "pg";
import type { Row } from "../state/records.ts";
import { RunState } from "../state/run-state.ts";
import { inLoadingOrder } from "./loading-order.ts";
import { postgresError } from "./postgres-error.ts";
import { CHANNEL } from "./postgres-listener.ts";

export interface PendingWork {
  /** `try`: an update that is not done where another server holds the run; it gives null then. */
  kind: "update" | "try" | "read";
  work(state: RunState, now: number): unknown;
  resolve(result: unknown): void;
  reject(error: unknown): void;
}

interface Settled {
  pending: PendingWork;
  outcome: { result: unknown } | { error: unknown };
}

/** Work threw after it had written: all that was done with it is rolled back. */
class HalfDone extends Error {
  readonly pending: PendingWork;

  constructor(pending: PendingWork, cause: unknown) {
    super("Work failed half-way.", { cause });
    this.pending = pending;
  }
}

/** Notes of deleted rows are swept when so many versions have passed; a replica that slept longer reads everything. */
const SWEEP_EVERY = 2_000;

/** A server that halts with the lock loses it after so long: the others need not wait for it. */
const BOUND = "SET LOCAL idle_in_transaction_session_timeout = '30s'";
/** Whatever the database's own defaults are: a commit is one when it is on disk. */
const BEGIN_WRITING = `
  BEGIN TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE; ${BOUND};
  SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off'`;
const BEGIN_READING = `BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY; ${BOUND}`;

export class PostgresRun {
  readonly #name: string;
  readonly #pool: Pool;
  #state: RunState;
  #version = 0n;
  #epoch = -1n;
  #pending: PendingWork[] = [];
  #running = false;

  constructor(name: string, pool: Pool) {
    this.#name = name;
    this.#pool = pool;
    this.#state = new RunState(name, 0);
  }

  get isIdleAndBlank(): boolean {
    return !this.#running && this.#pending.length === 0 && this.#state.isBlank;
  }

  perform(kind: PendingWork["kind"], work: PendingWork["work"]): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#pending.push({ kind, work, resolve, reject });
      if (!this.#running) void this.#run();
    });
  }

  async #run(): Promise<void> {
    this.#running = true;
    while (this.#pending.length > 0) {
      const together = this.#pending;
      this.#pending = [];
      try {
        const settled = await this.#together(together);
        for (const { pending, outcome } of settled) {
          if ("error" in outcome) pending.reject(outcome.error);
          else pending.resolve(outcome.result);
        }
      } catch (error) {
        // The state may hold what the database does not.
        this.#forget();
        if (error instanceof HalfDone) {
          error.pending.reject(error.cause);
          this.#pending.unshift(...together.filter((pending) => pending !== error.pending));
        } else for (const pending of together) pending.reject(postgresError(error));
      }
    }
    this.#running = false;
  }

  async #together(together: readonly PendingWork[]): Promise<Settled[]> {
    const client = await this.#pool.connect();
    let broken: Error | undefined;
    try {
      const lock = together.some(({ kind }) => kind === "update")
        ? "FOR UPDATE"
        : together.some(({ kind }) => kind === "try")
          ? "FOR UPDATE SKIP LOCKED"
          : "";
      await client.query(lock ? BEGIN_WRITING : BEGIN_READING);
      const now = await this.#catchUp(client, lock);
      const settled = now === null ? this.#skipped(together) : this.#work(together, now);
      const rows = this.#state.takeChanges();
      if (rows.length > 0) await this.#save(client, rows);
      await client.query("COMMIT");
      return settled;
    } catch (error) {
      broken = error instanceof Error ? error : new Error(String(error));
      throw error;
    } finally {
      // A connection that failed may be in any state: it is not used again, and the database rolls back what it left.
      client.release(broken);
    }
  }

  /** Work that threw after it had written spoils the state for all: the others are done again without it. */
  #work(together: readonly PendingWork[], now: number): Settled[] {
    const settled: Settled[] = [];
    for (const pending of together) {
      const before = this.#state.writes;
      try {
        settled.push({ pending, outcome: { result: pending.work(this.#state, now) } });
      } catch (error) {
        settled.push({ pending, outcome: { error } });
        if (this.#state.writes > before) throw new HalfDone(pending, error);
      }
    }
    return settled;
  }

  /** Another server holds the run: what needs it is not done, and what only reads is done by itself. */
  #skipped(together: readonly PendingWork[]): Settled[] {
    this.#pending.unshift(...together.filter(({ kind }) => kind === "read"));
    return together.filter(({ kind }) => kind === "try").map((pending) => ({ pending, outcome: { result: null } }));
  }

  /**
   * Brings the state to what the database holds, and gives the database's time: servers may differ about theirs. With a
   * lock nobody else can change the run until the transaction ends; null where it was skipped because another holds it.
   */
  async #catchUp(client: PoolClient, lock: "" | "FOR UPDATE" | "FOR UPDATE SKIP LOCKED"): Promise<number | null> {
    const clock = "extract(epoch FROM clock_timestamp()) * 1000 AS now";
    const select = `SELECT version, epoch, swept, ${clock} FROM lachesis_runs WHERE run = $1 ${lock}`;
    type Head = { version: string; epoch: string; swept: string; now: string };
    let { rows } = await client.query<Head>(select, [this.#name]);
    if (rows.length === 0 && lock !== "") {
      const made = await client.query("INSERT INTO lachesis_runs (run) VALUES ($1) ON CONFLICT DO NOTHING", [
        this.#name,
      ]);
      if (made.rowCount === 0 && lock !== "FOR UPDATE") return null;
      ({ rows } = await client.query<Head>(select, [this.#name]));
    }
    const [head] = rows;
    if (!head) {
      this.#forget();
      const { rows: times } = await client.query<{ now: string }>(`SELECT ${clock}`);
      return Math.round(Number(times[0]!.now));
    }
    await this.#takeOver(client, head);
    return Math.round(Number(head.now));
  }

  async #takeOver(client: PoolClient, head: { version: string; epoch: string; swept: string }): Promise<void> {
    const version = BigInt(head.version);
    const epoch = BigInt(head.epoch);
    if (epoch === this.#epoch && version === this.#version) return;
    if (epoch !== this.#epoch || this.#version < BigInt(head.swept)) {
      this.#forget();
      this.#epoch = epoch;
    }
    const whole = this.#version === 0n;
    const text = `SELECT tbl, id, body FROM lachesis_rows WHERE run = $1 AND version > $2${whole ? " AND body IS NOT NULL" : ""}`;
    const changed = await client.query<{ tbl: string; id: string; body: unknown }>(text, [
      this.#name,
      this.#version.toString(),
    ]);
    this.#state.loadAll(inLoadingOrder(changed.rows.map(({ tbl, id, body }) => ({ table: tbl, id, body }) as Row)));
    this.#version = version;
  }

  async #save(client: PoolClient, rows: readonly Row[]): Promise<void> {
    let version = this.#version + 1n;
    let epoch = this.#epoch;
    let newest = new Map<string, Row>();
    const payloads = new Map<number, Uint8Array>();
    const deleted = new Set<number>();
    for (const row of rows) {
      if (row.table === "clear") {
        newest = new Map();
        payloads.clear();
        deleted.clear();
        for (const table of ["lachesis_rows", "lachesis_payloads"])
          await client.query(`DELETE FROM ${table} WHERE run = $1`, [this.#name]);
        epoch = this.#epoch + 1n;
        continue;
      }
      newest.set(`${row.table}:${row.id}`, row);
      if (row.table !== "group") continue;
      const id = Number(row.id);
      if (row.body === null) {
        payloads.delete(id);
        deleted.add(id);
      } else if (row.payload) payloads.set(id, row.payload);
    }
    const all = [...newest.values()];
    await client.query(
      `INSERT INTO lachesis_rows (run, tbl, id, body, version)
       SELECT $1, given.tbl, given.id, given.body::json, $5 FROM unnest($2::text[], $3::text[], $4::text[]) AS given (tbl, id, body)
       ON CONFLICT (run, tbl, id) DO UPDATE SET body = excluded.body, version = excluded.version`,
      [
        this.#name,
        all.map(({ table }) => table),
        all.map(({ id }) => id),
        all.map(({ body }) => body && JSON.stringify(body)),
        version.toString(),
      ],
    );
    for (const [id, data] of payloads) {
      const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
      await client.query("INSERT INTO lachesis_payloads VALUES ($1, $2, $3)", [this.#name, id, bytes]);
    }
    if (deleted.size > 0) {
      const text = "DELETE FROM lachesis_payloads WHERE run = $1 AND id = ANY($2::bigint[])";
      await client.query(text, [this.#name, [...deleted]]);
    }
    if (version % BigInt(SWEEP_EVERY) === 0n) version = await this.#sweep(client, version);
    // Told when it is committed.
    const text = "UPDATE lachesis_runs SET version = $2, epoch = $3 WHERE run = $1 RETURNING pg_notify($4, $1)";
    await client.query(text, [this.#name, version.toString(), epoch.toString(), CHANNEL]);
    this.#version = version;
    this.#epoch = epoch;
  }

  /** Removes old notes of deleted rows. */
  async #sweep(client: PoolClient, version: bigint): Promise<bigint> {
    const swept = (version - BigInt(SWEEP_EVERY)).toString();
    await client.query("DELETE FROM lachesis_rows WHERE run = $1 AND body IS NULL AND version <= $2", [
      this.#name,
      swept,
    ]);
    await client.query("UPDATE lachesis_runs SET swept = $2 WHERE run = $1", [this.#name, swept]);
    return version;
  }

  #forget(): void {
    this.#state = new RunState(this.#name, 0);
    this.#version = 0n;
    this.#epoch = -1n;
  }
}
