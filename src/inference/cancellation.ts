/**
 * Cancellation of model calls. Thousands of rollouts may share one AbortSignal; adding and removing listeners on a
 * signal takes time in the number that are there, so each signal gets one listener that serves them all.
 */
import { LachesisError } from "../core/index.ts";

/** What an aborted signal means for whoever waits: its own LachesisError (a budget that ran out), else `cancelled`. */
export function cancelledBy(signal: AbortSignal): LachesisError {
  return signal.reason instanceof LachesisError
    ? signal.reason
    : new LachesisError("cancelled", "The model call was cancelled.", { cause: signal.reason });
}

const listeners = new WeakMap<AbortSignal, Set<() => void>>();

/** Calls back once when the signal aborts, until the returned function is called. The signal must not be aborted yet. */
export function onAbort(signal: AbortSignal, callback: () => void): () => void {
  let callbacks = listeners.get(signal);
  if (callbacks === undefined) {
    const all = new Set<() => void>();
    signal.addEventListener(
      "abort",
      () => {
        for (const each of [...all]) each();
        all.clear();
      },
      { once: true },
    );
    listeners.set(signal, all);
    callbacks = all;
  }
  callbacks.add(callback);
  return () => callbacks.delete(callback);
}
