/**
 * The runs that this process holds in memory, for stores that only this process writes. Work on a run is synchronous, so
 * it needs no lock; what it wrote is handed on in the order of the work. Memory may be ahead of the disk, but no result
 * that rests on it is given out before the disk has caught up.
 */
import { LachesisError } from "../../core/index.ts";
import type { Row } from "../state/records.ts";
import { renewTimes } from "../state/renewed-times.ts";
import { RunState } from "../state/run-state.ts";
import { RunListeners } from "./run-listeners.ts";
import { steadyNow } from "./steady-clock.ts";

export interface RowKeeper {
  /** All rows of a run, as `inLoadingOrder` gives them. */
  load(run: string): Promise<Row[]>;
  /** Makes the rows durable, all or none, after those of earlier calls. Before it rejects, it lets the run be forgotten. */
  save(run: string, rows: Row[]): Promise<void>;
}

export class LiveRuns {
  readonly #keeper: RowKeeper;
  readonly #runs = new Map<string, Promise<RunState>>();
  /** The newest save of each run that is under way. */
  readonly #saving = new Map<string, Promise<void>>();
  readonly #listeners = new RunListeners();
  readonly #began = steadyNow();

  constructor(keeper: RowKeeper) {
    this.#keeper = keeper;
  }

  async update<Result>(run: string, work: (state: RunState, now: number) => Result): Promise<Result> {
    const { result, saving } = await this.#with(run, (state) => {
      let made: Result;
      try {
        made = work(state, steadyNow());
      } catch (error) {
        // What it wrote before it threw must not stay.
        if (state.hasChanges) this.forget(run);
        throw error;
      }
      const rows = state.takeChanges();
      if (rows.length === 0) {
        this.#forgetBlank(run, state);
        return { result: made, saving: null };
      }
      const begun = this.#keeper.save(run, rows);
      this.#saving.set(run, begun);
      return { result: made, saving: begun };
    });
    if (!saving) {
      // What it saw may not be on disk yet: a repeated submit must not be answered before the first one is.
      await this.#saving.get(run);
      return result;
    }
    try {
      await saving;
    } catch (error) {
      // Memory is ahead of the store: the next caller reads the run anew.
      this.forget(run);
      throw error;
    } finally {
      if (this.#saving.get(run) === saving) this.#saving.delete(run);
    }
    this.#listeners.call(run);
    return result;
  }

  read<Result>(run: string, work: (state: RunState, now: number) => Result): Promise<Result> {
    return this.#with(run, (state) => {
      const result = work(state, steadyNow());
      if (state.hasChanges) {
        this.forget(run);
        throw new LachesisError("internal", "Work that only reads wrote to the run's state.");
      }
      this.#forgetBlank(run, state);
      return result;
    });
  }

  watch(run: string, listener: () => void): () => void {
    return this.#listeners.add(run, listener);
  }

  forget(run: string): void {
    this.#runs.delete(run);
  }

  /** Runs the work in the same moment in which the state is known to be the present one. */
  async #with<Result>(run: string, work: (state: RunState) => Result): Promise<Result> {
    for (;;) {
      let loading = this.#runs.get(run);
      if (!loading) {
        loading = this.#load(run);
        this.#runs.set(run, loading);
        loading.catch(() => this.forget(run));
      }
      const state = await loading;
      // It may have been forgotten in between, by a save that failed.
      if (this.#runs.get(run) !== loading) continue;
      return work(state);
    }
  }

  /** Asking for names that do not exist must not fill the memory. */
  #forgetBlank(run: string, state: RunState): void {
    if (state.isBlank && !this.#saving.has(run)) this.forget(run);
  }

  async #load(run: string): Promise<RunState> {
    const state = new RunState(run, steadyNow());
    state.loadAll(await this.#keeper.load(run));
    renewTimes(state, this.#began, steadyNow());
    return state;
  }
}
