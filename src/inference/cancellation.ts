/** What an aborted signal means for whoever waits: its own LachesisError (a budget that ran out), else `cancelled`. */
import { LachesisError } from "../core/index.ts";

export function cancelledBy(signal: AbortSignal): LachesisError {
  return signal.reason instanceof LachesisError
    ? signal.reason
    : new LachesisError("cancelled", "The model call was cancelled.", { cause: signal.reason });
}
