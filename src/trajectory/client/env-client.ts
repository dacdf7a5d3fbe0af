/**
 * The environment's side of the protocol. It speaks v1, which every server knows, and uses what our server adds where it
 * is there: idempotency keys, waiting for changes instead of polling, heartbeats with a token.
 */
import { isObject, LachesisError } from "../../core/index.ts";
import type { EnvRegistered, EnvRegistration, EnvStatus, ScoredGroup } from "../contract.ts";
import { writeGroup } from "../wire/group.ts";
import { ApiHttp, type ApiHttpOptions } from "./api-http.ts";

export interface EnvClientOptions extends ApiHttpOptions {
  /** The API's address; one that ends in /v2/runs/NAME means that run of ours. */
  url: string;
  /** What the server gave at an earlier registration: with it the env gets its old id. */
  envToken?: string | null;
}

export interface WatchedStatus extends EnvStatus {
  /** Grows with every change of the run; null where the server cannot tell. */
  revision: number | null;
  /** No trainer has asked for a batch for a long time; absent where the server cannot tell. */
  trainer_gone?: boolean;
}

export class EnvClient {
  readonly #http: ApiHttp;
  /** Path of the run on a server of ours; null: the v1 paths. */
  readonly #runPath: string | null;
  #watchPath: string | null = null;
  #env: (EnvRegistered & { token?: string }) | null = null;
  #envToken: string | null;

  constructor(options: EnvClientOptions) {
    const run = /^(.*)(\/v2\/runs\/[^/]+)\/*$/.exec(options.url);
    this.#runPath = run?.[2] ?? null;
    this.#http = new ApiHttp({ ...options, url: run?.[1] ?? options.url });
    this.#envToken = options.envToken ?? null;
  }

  get url(): string {
    return this.#http.url;
  }

  /** What the server said at registration; null before. */
  get registered(): EnvRegistered | null {
    return this.#env;
  }

  /** The batch size and sequence length that the trainer wants; −1 before it registered. */
  async info(signal?: AbortSignal): Promise<{ batch_size: number; max_token_len: number }> {
    if (this.#runPath === null) return this.#http.json({ method: "GET", path: "/info", ...given(signal) });
    const asked = { method: "GET" as const, path: this.#runPath, ...given(signal) };
    const run = await unlessForgotten(
      asked.path,
      this.#http.json<{ registration: { batch_size: number; max_token_len: number } }>(asked),
    );
    return run.registration;
  }

  /** null while the trainer has not started, or has not created the run that the address names. With an earlier registration the env keeps its id, where the server knows it. */
  async register(env: EnvRegistration, signal?: AbortSignal): Promise<EnvRegistered | null> {
    const path = this.#runPath === null ? "/register-env" : `${this.#runPath}/envs`;
    // Also null: it asks for one.
    const body = JSON.stringify({ ...env, token: this.#envToken });
    const answer = await this.#http
      .json<{ status: string }>({ method: "POST", path, body, ...given(signal) })
      .catch((error) => {
        if (this.#runPath !== null && isMissing(error)) return null;
        throw error;
      });
    if (answer?.status !== "success") return null;
    const registered: EnvRegistered & { token?: string } = answer as EnvRegistered;
    this.#envToken = registered.token ?? this.#envToken;
    this.#env = registered;
    this.#watchPath = await this.#findWatchPath(signal);
    return this.#env;
  }

  /** Throws `not_found` where the server has forgotten the env. */
  async status(signal?: AbortSignal): Promise<EnvStatus> {
    const id = this.#id;
    const asked =
      this.#runPath === null
        ? { path: "/status-env", body: JSON.stringify({ env_id: id }) }
        : { path: `${this.#runPath}/envs/${id}` };
    const answer = await this.#http.exchange({ method: "GET", ...asked, ...given(signal) });
    if (answer.status !== 200) throw forgotten(id, answer.status);
    return JSON.parse(answer.body.toString("utf8"));
  }

  /** The status as soon as it is another than the one with this revision, or after `waitMs`; at once where the server cannot wait. */
  async changedStatus(revision: number | null, waitMs: number, signal?: AbortSignal): Promise<WatchedStatus> {
    if (this.#watchPath === null) return { ...(await this.status(signal)), revision: null };
    const query = revision === null ? "" : `?since=${revision}&wait_ms=${waitMs}`;
    const answer = await this.#http.exchange({
      method: "GET",
      path: `${this.#watchPath}${query}`,
      waitMs,
      ...given(signal),
    });
    if (answer.status !== 200) throw forgotten(this.#id, answer.status);
    return JSON.parse(answer.body.toString("utf8"));
  }

  /** The token of the newest registration, or of an earlier process; null of v1 servers. */
  get envToken(): string | null {
    return this.#envToken;
  }

  get canWatch(): boolean {
    return this.#watchPath !== null;
  }

  /** The body to send for a group, with this env's id. */
  bodyOf(group: ScoredGroup): string {
    return writeGroup(this.#env ? { ...group, env_id: this.#env.env_id } : group);
  }

  /**
   * Sends a group that `bodyOf` gave. Sending it twice under one key stores it once on our server. Throws `api_unavailable`
   * also where the server has forgotten the run: its trainer may create it again.
   */
  async submit(body: string, key: string, signal?: AbortSignal): Promise<void> {
    const path = this.#runPath === null ? "/scored_data" : `${this.#runPath}/groups`;
    const headers = { "idempotency-key": key };
    await unlessForgotten(path, this.#http.json({ method: "POST", path, body, headers, ...given(signal) }));
  }

  async disconnect(): Promise<void> {
    if (!this.#env) return;
    const id = this.#env.env_id;
    if (this.#runPath === null)
      await this.#http.json({ method: "POST", path: "/disconnect-env", body: JSON.stringify({ env_id: id }) });
    else await this.#http.json({ method: "DELETE", path: `${this.#runPath}/envs/${id}` });
  }

  /** Forgets the registration: the server no longer knows it. */
  forget(): void {
    this.#env = null;
  }

  close(): Promise<void> {
    return this.#http.close();
  }

  get #id(): number {
    if (!this.#env) throw new LachesisError("internal", "The environment has not been registered.");
    return this.#env.env_id;
  }

  /** Only our server answers /healthz with its default run. */
  async #findWatchPath(signal?: AbortSignal): Promise<string | null> {
    if (this.#runPath !== null) return `${this.#runPath}/envs/${this.#id}/watch`;
    const answer = await this.#http.exchange({ method: "GET", path: "/healthz", ...given(signal) }).catch((error) => {
      // A server of v1 may answer anything to a path that it does not know.
      if (error instanceof LachesisError && error.details.status !== undefined) return null;
      throw error;
    });
    if (answer?.status !== 200) return null;
    try {
      const health: unknown = JSON.parse(answer.body.toString("utf8"));
      return isObject(health) && typeof health.default_run === "string"
        ? `/v2/runs/${encodeURIComponent(health.default_run)}/envs/${this.#id}/watch`
        : null;
    } catch {
      // Another server's health page: it cannot wait for changes.
      return null;
    }
  }
}

/** A server that was started again without its store may get the run back from its trainer. */
async function unlessForgotten<T>(path: string, answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    if (!isMissing(error)) throw error;
    throw new LachesisError("api_unavailable", `The trajectory API does not know ${path}.`, { cause: error });
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof LachesisError && error.details.status === 404;
}

function given(signal: AbortSignal | undefined): { signal?: AbortSignal } {
  return signal ? { signal } : {};
}

function forgotten(env: number, status: number): LachesisError {
  return new LachesisError("not_found", `The trajectory API no longer knows environment ${env} (${status}).`);
}
