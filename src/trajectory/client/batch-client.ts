/** The trainer's side of protocol v1, for programs that take batches: registers, then gives batch after batch. */
import { systemClock } from "../../core/index.ts";
import type { RunRegistration, ScoredGroup } from "../contract.ts";
import { ApiHttp, type ApiHttpOptions } from "./api-http.ts";

export interface BatchClientOptions extends ApiHttpOptions {
  registration: RunRegistration;
  /** Milliseconds between two questions. */
  pollMs?: number;
}

const POLL_MS = 1_000;

/** Batches until the signal aborts. Throws `api_unavailable`, `api_rejected`, `auth`. */
export async function* takeBatches(options: BatchClientOptions, signal: AbortSignal): AsyncGenerator<ScoredGroup[]> {
  const http = new ApiHttp(options);
  try {
    await http.json({ method: "POST", path: "/register", body: JSON.stringify(options.registration), signal });
    while (!signal.aborted) {
      const { batch } = await http.json<{ batch: ScoredGroup[] | null }>({ method: "GET", path: "/batch", signal });
      if (batch) yield batch;
      else await systemClock.sleep(options.pollMs ?? POLL_MS, signal).catch(() => {});
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    await http.close();
  }
}
