/**
 * The one rollout engine: takes work from a source, runs a bounded amount of it at once, and ends when the source is
 * empty or the run is stopped. What a piece of work is (a group, an attempt of an evaluation) and where its result goes
 * is the caller's: the modes differ in source, runner and sink only.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import { type LachesisError, logger, toLachesisError } from "../core/index.ts";
import type { RunControl } from "./run-control.ts";

/** Work that is started before the event loop gets its turn: what was started first need not wait for the last. */
const STARTS_A_TURN = 32;

export interface EngineOptions<Work> {
  /** The next piece of work, or null. Never called twice at once. */
  next(): Promise<Work | null>;
  /** Runs a piece of work and records it. Rejects only for a fault of ours: then nothing new is started. */
  run(work: Work): Promise<void>;
  /** Pieces of work at once. */
  concurrency(): number;
  control: RunControl;
  /** Called with a function to be told whenever `concurrency` may have grown; gives the function that ends it. */
  onConcurrency?(wake: () => void): () => void;
  /** Told how long each round of starting work took (seconds) and how much it started. */
  onRound?(seconds: number, started: number): void;
}

/**
 * Runs everything. Settles when all that was started has ended, or was left behind some seconds after a cancellation; rejects
 * with the first fault of ours.
 */
export async function runAll<Work>(options: EngineOptions<Work>): Promise<void> {
  const { control } = options;
  let running = 0;
  let failure: LachesisError | null = null;
  let wake = () => {};
  const forget = control.onStop(() => wake());
  const unsubscribe = options.onConcurrency?.(() => wake());
  const fail = (error: unknown) => {
    failure ??= toLachesisError(error);
    // What cannot be recorded need not be paid for: rollouts in flight are ended as well.
    if (failure.code === "disk_full") control.cancel(failure);
    else control.stopNew(failure);
  };
  const start = (work: Work) => {
    running++;
    options
      .run(work)
      .catch(fail)
      .finally(() => {
        running--;
        wake();
      });
  };
  const changed = () =>
    new Promise<void>((resolve) => {
      wake = resolve;
    });
  const idle = async () => {
    while (running > 0) await changed();
  };
  try {
    let more = true;
    while (more && !control.stopped) {
      const began = performance.now();
      let started = 0;
      while (more && running < options.concurrency() && !control.stopped) {
        // A source that waits for something, such as a slow download, does not hold up the end.
        const work = await control.unlessStopped(options.next()).catch((error: unknown) => {
          if (error !== control.stopped) fail(error);
          return null;
        });
        if (work === null) more = false;
        else if (!control.stopped) {
          start(work);
          if (++started % STARTS_A_TURN === 0) await nextTurn();
        }
      }
      if (started > 0) options.onRound?.((performance.now() - began) / 1000, started);
      if (more && !control.stopped && running >= options.concurrency()) await changed();
    }
    await control.unlessLeft(idle()).catch((error: unknown) => {
      if (error !== control.cancelled) throw error;
      logger.warn({ running }, "work that did not end after the run was cancelled is left behind");
    });
  } finally {
    forget();
    unsubscribe?.();
  }
  if (failure) throw failure;
}
