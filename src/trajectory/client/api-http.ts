/**
 * One request to a trajectory API. Whatever goes wrong becomes one of two errors: `api_rejected`, which sending again
 * will not mend, or `api_unavailable`, which may pass.
 */
import { Agent, request } from "undici";
import { errorMessage, LachesisError, redact } from "../../core/index.ts";

export interface ApiHttpOptions {
  /** Address of the API, such as http://localhost:8000. */
  url: string;
  /** Sent as bearer token. */
  token?: string | null;
  /** Milliseconds for one exchange; long polls add their own. Default 120 000. */
  timeoutMs?: number;
}

export interface ApiRequest {
  method: "GET" | "POST" | "DELETE";
  path: string;
  body?: string | Uint8Array;
  headers?: Record<string, string>;
  signal?: AbortSignal;
  /** Milliseconds that the server may hold the request back. */
  waitMs?: number;
}

export interface ApiAnswer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: Buffer;
}

/** Too slow, too early, too many: the same request may do later. */
const TRANSIENT: ReadonlySet<number> = new Set([408, 425, 429]);

export class ApiHttp {
  readonly url: string;
  readonly #token: string | null;
  readonly #timeoutMs: number;
  /** Its own connections: uploads of megabytes must not stand behind model calls. */
  readonly #agent = new Agent({ connections: 16, headersTimeout: 0, bodyTimeout: 0, keepAliveTimeout: 4_000 });

  constructor(options: ApiHttpOptions) {
    this.url = options.url.replace(/\/+$/, "");
    this.#token = options.token ?? null;
    this.#timeoutMs = options.timeoutMs ?? 120_000;
    if (this.#token) redact(this.#token);
  }

  /** Answers of any status below 500 but 408, 425 and 429; the others throw `api_unavailable`. */
  async exchange(asked: ApiRequest): Promise<ApiAnswer> {
    const late = AbortSignal.timeout(this.#timeoutMs + (asked.waitMs ?? 0));
    const signal = asked.signal ? AbortSignal.any([asked.signal, late]) : late;
    let answer: ApiAnswer;
    try {
      const { statusCode, headers, body } = await request(`${this.url}${asked.path}`, {
        method: asked.method,
        dispatcher: this.#agent,
        signal,
        headers: {
          ...(asked.body !== undefined && { "content-type": "application/json" }),
          ...(this.#token && { authorization: `Bearer ${this.#token}` }),
          ...asked.headers,
        },
        ...(asked.body !== undefined && { body: asked.body }),
      });
      answer = { status: statusCode, headers, body: Buffer.from(await body.arrayBuffer()) };
    } catch (error) {
      if (asked.signal?.aborted) throw new LachesisError("cancelled", "Cancelled while talking to the trajectory API.");
      const what = late.aborted ? `no answer within ${this.#timeoutMs / 1000} s` : errorMessage(error);
      throw new LachesisError("api_unavailable", `The trajectory API at ${this.url} cannot be reached: ${what}.`, {
        cause: error,
      });
    }
    if (answer.status >= 500 || TRANSIENT.has(answer.status)) {
      const seconds = Number(answer.headers["retry-after"]);
      const details = { status: answer.status, ...(Number.isFinite(seconds) && { retryAfterMs: seconds * 1000 }) };
      const text = answer.body.toString("utf8", 0, 300);
      throw new LachesisError("api_unavailable", `${asked.method} ${asked.path}: ${answer.status} ${text}`, {
        details,
      });
    }
    return answer;
  }

  /** The answer's JSON. Throws `api_rejected` for a status of 400 and more. */
  async json<T>(asked: ApiRequest): Promise<T> {
    const answer = await this.exchange(asked);
    if (answer.status >= 400) throw rejected(asked, answer);
    try {
      return JSON.parse(answer.body.toString("utf8")) as T;
    } catch (error) {
      throw new LachesisError("api_unavailable", `${asked.method} ${asked.path}: the answer is no JSON.`, {
        cause: error,
      });
    }
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }
}

export function rejected(asked: ApiRequest, answer: ApiAnswer): LachesisError {
  const text = answer.body.toString("utf8", 0, 1000);
  const details = { status: answer.status };
  if (answer.status === 401 || answer.status === 403) {
    const advice =
      "Set LACHESIS_API_TOKEN to a token of the trajectory API: of role env for environments, trainer for trainers.";
    return new LachesisError("auth", `The trajectory API refused ${asked.path}: ${text} (LACHESIS_API_TOKEN).`, {
      details: { ...details, advice },
    });
  }
  return new LachesisError("api_rejected", `${asked.method} ${asked.path}: ${answer.status} ${text}`, { details });
}
