/**
 * Where runs are kept. A store gives a run's state to one piece of work at a time and makes what that work wrote durable
 * as a whole before its result is given out: a crash at any moment leaves all of it or nothing.
 */
import type { RunState } from "../state/run-state.ts";

export interface Store {
  /** For people: `sqlite:/path`, `memory:`, `postgres://host/db`. Never a password. */
  readonly name: string;
  /** Whether other processes may work on the same runs. */
  readonly shared: boolean;
  /** Whether the payloads stand in this process's memory. */
  readonly inMemory: boolean;
  /**
   * Runs `work` on the newest state of a run (made if need be). `work` is synchronous and writes through the state; if it
   * throws, nothing is kept. The promise settles when the writes, and what the work saw, are durable; it rejects, with
   * nothing kept, where they could not be made so (`disk_full`, `api_unavailable`). `work` may be run again on a newer state.
   * `now` is the store's time, milliseconds since the epoch: never set back or forward while a lease runs, and the same
   * for all who share the store.
   */
  update<Result>(run: string, work: (state: RunState, now: number) => Result): Promise<Result>;
  /** Like `update` for work that writes nothing; what it sees may not be durable yet. */
  read<Result>(run: string, work: (state: RunState, now: number) => Result): Promise<Result>;
  /** Like `update`, but null, with nothing done, where another process works on the run just now. */
  tryUpdate<Result>(run: string, work: (state: RunState, now: number) => Result): Promise<Result | null>;
  /** Payloads of stored groups, in the order of the ids. Throws `not_found` for one that is gone. */
  payloads(run: string, groups: readonly number[]): Promise<Uint8Array[]>;
  runs(): Promise<string[]>;
  /** Calls back when a run changed, here or in another replica; gives the function that ends it. */
  watch(run: string, listener: () => void): () => void;
  close(): Promise<void>;
}
