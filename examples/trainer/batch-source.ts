/**
 * The trainer's side of the trajectory API: registers and takes batch after batch. Protocol v2 leases a batch and
 * acknowledges it when its update is on disk; protocol v1, for servers that know nothing else, hands it out for good.
 * An API that is away for a while is waited for.
 */
import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { isObject, LachesisError } from "lachesis/core";
import type { LeasedBatch, RunRegistration, ScoredGroup } from "lachesis/trajectory";

export interface BatchSourceOptions {
  /** Address of the API. */
  url: string;
  /** Sent as bearer token; null where the API wants none. */
  token: string | null;
  /** Of protocol v2; v1 knows only the server's default run. */
  run: string;
  /** Names this trainer in leases. */
  trainer: string;
  registration: RunRegistration;
  /** How long a batch may take until another trainer gets it. */
  leaseMs: number;
  protocol: "auto" | "v1" | "v2";
  signal: AbortSignal;
  /** For people. */
  say(text: string): void;
}

export interface Batch {
  /** null: nothing to acknowledge. */
  id: string | null;
  groups: ScoredGroup[];
}

const LONG_POLL_MS = 20_000;
const POLL_MS = 1_000;
const RETRY_MS = 1_000;
const LAST_WORD_MS = 3_000;

export class BatchSource {
  readonly #options: BatchSourceOptions;
  #protocol: "v1" | "v2" | null;
  #away = false;

  constructor(options: BatchSourceOptions) {
    this.#options = options;
    this.#protocol = options.protocol === "auto" ? null : options.protocol;
  }

  get protocol(): "v1" | "v2" | null {
    return this.#protocol;
  }

  /** Registers the run, or joins it. Throws `api_rejected`, `auth`. */
  async register(): Promise<void> {
    if (this.#protocol !== "v1") {
      const answer = await this.#call("POST", this.#runPath(""), this.#options.registration);
      if (answer.status === 200) {
        this.#protocol = "v2";
        return;
      }
      const unknown = answer.status === 404 || answer.status === 405;
      if (!unknown || this.#protocol === "v2") throw refused(`POST ${this.#runPath("")}`, answer);
      this.#protocol = "v1";
    }
    const answer = await this.#call("POST", "/register", this.#options.registration);
    if (answer.status !== 200) throw refused("POST /register", answer);
  }

  /** The next batch, however long it takes. */
  async next(): Promise<Batch> {
    for (;;) {
      const batch = this.#protocol === "v1" ? await this.#take() : await this.#lease();
      if (batch) return batch;
    }
  }

  /** false: the lease had ended and another trainer may get the batch as well. */
  async acknowledge({ id }: Batch): Promise<boolean> {
    if (id === null) return true;
    const path = this.#runPath(`/batches/${encodeURIComponent(id)}/ack`);
    const { signal } = this.#options;
    // A trainer that was told to stop says what it has done, if that is quick.
    const answer = await this.#call("POST", path, {}, signal.aborted ? AbortSignal.timeout(LAST_WORD_MS) : signal);
    if (answer.status === 409 || answer.status === 404) return false;
    if (answer.status !== 200) throw refused(`POST ${path}`, answer);
    return true;
  }

  async #lease(): Promise<Batch | null> {
    const { trainer, leaseMs } = this.#options;
    const path = this.#runPath("/batches/lease");
    const answer = await this.#call("POST", path, { trainer, lease_ms: leaseMs, max_wait_ms: LONG_POLL_MS });
    if (answer.status === 204) return null;
    if (answer.status === 404) {
      // A server that kept nothing and was started again.
      await this.register();
      return null;
    }
    if (answer.status !== 200) throw refused(`POST ${path}`, answer);
    const { batch_id, groups } = answer.json() as LeasedBatch;
    return { id: batch_id, groups };
  }

  async #take(): Promise<Batch | null> {
    const answer = await this.#call("GET", "/batch");
    if (answer.status !== 200) throw refused("GET /batch", answer);
    const body = answer.json();
    if (!isObject(body)) throw refused("GET /batch", answer);
    if (body.status === "error") await this.register();
    else if (Array.isArray(body.batch)) return { id: null, groups: body.batch as ScoredGroup[] };
    await sleep(POLL_MS, undefined, { signal: this.#options.signal });
    return null;
  }

  #runPath(rest: string): string {
    return `/v2/runs/${encodeURIComponent(this.#options.run)}${rest}`;
  }

  /** Asks again while the API cannot be reached or is not able to answer. */
  async #call(method: string, path: string, body?: unknown, signal = this.#options.signal): Promise<Answer> {
    const { url, token } = this.#options;
    for (;;) {
      signal.throwIfAborted();
      let trouble: string;
      try {
        const response = await fetch(url.replace(/\/+$/, "") + path, {
          method,
          signal,
          headers: {
            ...(body !== undefined && { "content-type": "application/json" }),
            ...(token !== null && { authorization: `Bearer ${token}` }),
          },
          ...(body !== undefined && { body: JSON.stringify(body) }),
        });
        const text = await response.text();
        if (response.status < 500 && response.status !== 429) {
          if (this.#away) this.#options.say("The trajectory API answers again.");
          this.#away = false;
          return { status: response.status, text, json: () => JSON.parse(text) as unknown };
        }
        trouble = `${method} ${path}: ${response.status} ${text.slice(0, 200)}`;
      } catch (error) {
        signal.throwIfAborted();
        trouble = error instanceof Error ? String(error.cause ?? error) : String(error);
      }
      if (!this.#away) this.#options.say(`Waiting for the trajectory API at ${url} (${trouble})`);
      this.#away = true;
      await sleep(RETRY_MS, undefined, { signal });
    }
  }
}

/** What a batch is known by when it is delivered again, whatever lease or server it comes from. */
export function fingerprint(groups: readonly ScoredGroup[]): string {
  const hash = createHash("sha256");
  for (const { tokens, scores, group_id } of groups) hash.update(JSON.stringify([group_id ?? null, tokens, scores]));
  return hash.digest("hex");
}

interface Answer {
  status: number;
  text: string;
  json(): unknown;
}

function refused(what: string, { status, text }: Answer): LachesisError {
  const code = status === 401 || status === 403 ? "auth" : "api_rejected";
  return new LachesisError(code, `${what}: ${status} ${text.slice(0, 500)}`, { details: { status } });
}
