/**
 * The trainer's side, for programs that take batches. On a server of ours a batch is leased and stays the caller's to
 * acknowledge: taken twice it has the same name, so that a caller who wrote it down can tell. A server of protocol v1 only
 * hands batches out for good. An API that goes away is waited for.
 */
import { createHash, randomUUID } from "node:crypto";
import { systemClock, toLachesisError } from "../../core/index.ts";
import type { LeasedBatch, RunRegistration, ScoredGroup } from "../contract.ts";
import { type ApiAnswer, ApiHttp, type ApiHttpOptions, type ApiRequest, rejected } from "./api-http.ts";

export interface BatchClientOptions extends ApiHttpOptions {
  /** The API's address; one that ends in /v2/runs/NAME means that run of ours. */
  url: string;
  registration: RunRegistration;
  /** Names the caller in leases. */
  trainer: string;
  /** Milliseconds that a batch may take until another trainer gets it. */
  leaseMs?: number;
  /** A lease whose batch an earlier process did and perhaps could not acknowledge; it is acknowledged first. */
  unsettled?: string | null;
  /** Milliseconds between two questions, where the server cannot wait by itself. */
  pollMs?: number;
  /** How long the first call may wait for the API, in milliseconds; later it is waited for without end. Default 30 000. */
  patienceMs?: number;
  /** Asked before each batch; false ends it. Default: until the signal aborts. */
  wanted?(): boolean;
  /** For people: what is waited for. */
  say?(text: string): void;
}

export interface TakenBatch {
  /** Names this lease of it, and no other one of any store; null on v1 servers. */
  lease: string | null;
  /** The same for the same batch, however often it is taken. */
  name: string;
  groups: ScoredGroup[];
  /**
   * The batch is done with. false: somebody else got it meanwhile, or the API could not be told within a few seconds of the
   * end. On v1 servers there is nothing to say.
   */
  ack(): Promise<boolean>;
}

const LEASE_MS = 10 * 60_000;
const LONG_POLL_MS = 20_000;
const POLL_MS = 1_000;
const LAST_WORD_MS = 3_000;
const PATIENCE_MS = 30_000;

/** Batches until the signal aborts, each taken when the one before it was done with. Throws `api_unavailable`, `api_rejected`, `auth`. */
export async function* takeBatches(options: BatchClientOptions, signal: AbortSignal): AsyncGenerator<TakenBatch> {
  const client = new BatchClient(options, signal);
  try {
    await client.register(systemClock.now() + (options.patienceMs ?? PATIENCE_MS));
    if (options.unsettled) await client.ack(options.unsettled);
    while (!signal.aborted && options.wanted?.() !== false) {
      const batch = await client.next();
      if (batch) yield batch;
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    await client.close();
  }
}

class BatchClient {
  readonly #options: BatchClientOptions;
  readonly #signal: AbortSignal;
  readonly #http: ApiHttp;
  /** Path of the run on a server of ours; null: the server knows protocol v1 only. */
  #runPath: string | null;
  /** Our number in the run's list of trainers, by which the store is known. */
  #trainer: string | null = null;
  #away = false;

  constructor(options: BatchClientOptions, signal: AbortSignal) {
    const run = /^(.*)(\/v2\/runs\/[^/]+)\/*$/.exec(options.url);
    this.#options = options;
    this.#signal = signal;
    this.#runPath = run?.[2] ?? null;
    this.#http = new ApiHttp({ ...options, url: run?.[1] ?? options.url });
  }

  async register(until: number): Promise<void> {
    const body = JSON.stringify(this.#options.registration);
    this.#runPath ??= await this.#defaultRun(until);
    const asked: ApiRequest = { method: "POST", path: this.#runPath ?? "/register", body };
    const answer = await this.#call(asked, until);
    if (answer.status >= 400) throw rejected(asked, answer);
    if (this.#runPath !== null)
      this.#trainer = (JSON.parse(answer.body.toString("utf8")) as { trainer: string }).trainer;
  }

  /** null: none came in time. */
  async next(): Promise<TakenBatch | null> {
    return this.#runPath === null ? this.#handedOut() : this.#leased(this.#runPath);
  }

  close(): Promise<void> {
    return this.#http.close();
  }

  async #leased(runPath: string): Promise<TakenBatch | null> {
    const { trainer, leaseMs = LEASE_MS } = this.#options;
    const body = JSON.stringify({ trainer, lease_ms: leaseMs, max_wait_ms: LONG_POLL_MS });
    const asked: ApiRequest = { method: "POST", path: `${runPath}/batches/lease`, body, waitMs: LONG_POLL_MS };
    const answer = await this.#call(asked);
    if (answer.status === 204) return null;
    if (answer.status === 404) {
      // A server that kept nothing and was started again.
      await this.register(Number.POSITIVE_INFINITY);
      return null;
    }
    if (answer.status >= 400) throw rejected(asked, answer);
    const { batch_id, groups } = JSON.parse(answer.body.toString("utf8")) as LeasedBatch;
    // The part after the point counts the leases of one batch. Another store may use the numbers again.
    const name = `${batch_id.split(".")[0]}-${fingerprint(groups)}`;
    const lease = `${batch_id} ${this.#trainer}`;
    return { name, lease, groups, ack: () => this.ack(lease) };
  }

  async #handedOut(): Promise<TakenBatch | null> {
    const asked: ApiRequest = { method: "GET", path: "/batch" };
    const answer = await this.#call(asked);
    if (answer.status >= 400) throw rejected(asked, answer);
    const { batch, status } = JSON.parse(answer.body.toString("utf8")) as {
      batch: ScoredGroup[] | null;
      status?: string;
    };
    if (status === "error") await this.register(Number.POSITIVE_INFINITY);
    else if (batch) return { name: `v1-${randomUUID()}`, lease: null, groups: batch, ack: async () => true };
    await systemClock.sleep(this.#options.pollMs ?? POLL_MS, this.#signal);
    return null;
  }

  /** A caller who was told to stop says what it has done, if that is quick. */
  async ack(lease: string): Promise<boolean> {
    if (this.#runPath === null) return true;
    const [id = "", trainer = ""] = lease.split(" ");
    const path = `${this.#runPath}/batches/${encodeURIComponent(id)}/ack`;
    const signal = this.#signal.aborted ? AbortSignal.timeout(LAST_WORD_MS) : this.#signal;
    try {
      if (!(await this.#knows(trainer, signal))) return false;
      const answer = await this.#call({ method: "POST", path, body: "{}", signal });
      if (answer.status === 409 || answer.status === 404) return false;
      if (answer.status >= 400) throw rejected({ method: "POST", path }, answer);
      return true;
    } catch (error) {
      if (!signal.aborted) throw error;
      return signal === this.#signal ? this.ack(lease) : false;
    }
  }

  /**
   * Whether the run is still the one where we registered under this number. A store that lost everything begins to count
   * its batches anew: by our batch's name it may know a batch that another trainer has in hand.
   */
  async #knows(trainer: string, signal: AbortSignal): Promise<boolean> {
    const asked: ApiRequest = { method: "GET", path: this.#runPath!, signal };
    const answer = await this.#call(asked);
    if (answer.status === 404) return false;
    if (answer.status >= 400) throw rejected(asked, answer);
    const { trainers } = JSON.parse(answer.body.toString("utf8")) as { trainers: string[] };
    return trainers.includes(trainer);
  }

  /** Only our server answers /healthz with its default run. */
  async #defaultRun(until: number): Promise<string | null> {
    const answer = await this.#call({ method: "GET", path: "/healthz" }, until);
    if (answer.status !== 200) return null;
    try {
      const { default_run } = JSON.parse(answer.body.toString("utf8")) as { default_run?: unknown };
      return typeof default_run === "string" ? `/v2/runs/${encodeURIComponent(default_run)}` : null;
    } catch {
      // Another server's health page.
      return null;
    }
  }

  /** Asks again while the API cannot be reached or is not able to answer, at most until then. */
  async #call(asked: ApiRequest, until = Number.POSITIVE_INFINITY): Promise<ApiAnswer> {
    const signal = asked.signal ?? this.#signal;
    for (;;) {
      try {
        const answer = await this.#http.exchange({ ...asked, signal });
        if (this.#away) this.#options.say?.("The trajectory API answers again.");
        this.#away = false;
        return answer;
      } catch (thrown) {
        const error = toLachesisError(thrown);
        if (!error.retryable || systemClock.now() > until) throw error;
        if (!this.#away) this.#options.say?.(`Waiting for the trajectory API: ${error.message}`);
        this.#away = true;
        await systemClock.sleep(Number(error.details.retryAfterMs ?? POLL_MS), signal);
      }
    }
  }
}

/** What a batch is known by, whatever lease or server it comes from. */
function fingerprint(groups: readonly ScoredGroup[]): string {
  const hash = createHash("sha256");
  for (const { tokens, scores, group_id } of groups) hash.update(JSON.stringify([group_id ?? null, tokens, scores]));
  return hash.digest("hex").slice(0, 32);
}
