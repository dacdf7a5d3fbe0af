/**
 * The runs that this process holds in memory, for stores that only this process writes. Work on a run is synchronous, so
 * it needs no lock; what it wrote is handed on in the order of the work.
 */
import { LachesisError } from "../../core/index.ts";
import type { Row } from "../state/records.ts";
import { RunState } from "../state/run-state.ts";

export interface RowKeeper {
  /** All rows of a run: groups by place, before batches. */
  load(run: string): Promise<Row[]>;
  /** Makes the rows durable, all or none, after those of earlier calls. */
  save(run: string, rows: Row[]): Promise<void>;
}

export class LiveRuns {
  readonly #keeper: RowKeeper;
  readonly #runs = new Map<string, Promise<RunState>>();
  readonly #listeners = new Map<string, Set<() => void>>();

  constructor(keeper: RowKeeper) {
    this.#keeper = keeper;
  }

  async update<Result>(run: string, work: (state: RunState) => Result): Promise<Result> {
    const state = await this.#state(run);
    let result: Result;
    try {
      result = work(state);
    } catch (error) {
      // What it wrote before it threw must not stay.
      if (state.hasChanges) this.forget(run);
      throw error;
    }
    const rows = state.takeChanges();
    if (rows.length === 0) return result;
    try {
      await this.#keeper.save(run, rows);
    } catch (error) {
      // Memory is ahead of the store: the next caller reads the run anew.
      this.forget(run);
      throw error;
    }
    for (const listener of this.#listeners.get(run) ?? []) listener();
    return result;
  }

  async read<Result>(run: string, work: (state: RunState) => Result): Promise<Result> {
    const state = await this.#state(run);
    const result = work(state);
    if (state.hasChanges) {
      this.forget(run);
      throw new LachesisError("internal", "Work that only reads wrote to the run's state.");
    }
    return result;
  }

  watch(run: string, listener: () => void): () => void {
    const listeners = this.#listeners.get(run) ?? new Set();
    this.#listeners.set(run, listeners.add(listener));
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0) this.#listeners.delete(run);
    };
  }

  forget(run: string): void {
    this.#runs.delete(run);
  }

  async #state(run: string): Promise<RunState> {
    for (;;) {
      let loading = this.#runs.get(run);
      if (!loading) {
        loading = this.#load(run);
        this.#runs.set(run, loading);
        loading.catch(() => this.forget(run));
      }
      const state = await loading;
      // It may have been forgotten in between, by a save that failed.
      if (this.#runs.get(run) === loading) return state;
    }
  }

  async #load(run: string): Promise<RunState> {
    const state = new RunState(run, Date.now());
    state.loadAll(await this.#keeper.load(run));
    return state;
  }
}

/** Rows in the order in which a state takes them. */
export function inLoadingOrder(rows: Row[]): Row[] {
  const rank = { run: 0, env: 1, group: 2, batch: 3, key: 4 };
  const place = (row: Row) => (row.table === "group" ? (row.body?.place ?? Number(row.id)) : Number(row.id) || 0);
  return rows.sort((a, b) => rank[a.table] - rank[b.table] || place(a) - place(b));
}
