/**
 * One HTTP exchange: sends a body, reads the whole answer. The time-out covers the body; whatever goes wrong below HTTP
 * becomes `timeout`, `connection`, `malformed_response` (an answer without end) or `cancelled`, here and nowhere else.
 */
import type { Dispatcher } from "undici";
import { errorMessage, LachesisError, redacted } from "../core/index.ts";
import { cancelledBy, onAbort } from "./cancellation.ts";
import type { HttpConnections } from "./http-connections.ts";

/** An answer larger than this is not read to its end: a server that never stops must not fill the memory. */
const MAX_ANSWER_BYTES = 256 * 1024 * 1024;

export interface HttpRequest {
  method: "GET" | "POST";
  /** Absolute; only path and query are used, the origin is the connections' own. */
  path: string;
  headers: Record<string, string>;
  body?: string;
  timeoutMs: number;
  signal?: AbortSignal;
  /** For messages: what is being asked. */
  url: string;
}

export interface HttpAnswer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: string;
}

/** Any status is an answer; only exchanges that did not come to an end throw. */
export function exchange(connections: HttpConnections, request: HttpRequest): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    const { signal } = request;
    if (signal?.aborted) {
      reject(cancelledBy(signal));
      return;
    }
    let controller: Dispatcher.DispatchController | null = null;
    let failure: LachesisError | null = null;
    let status = 0;
    let headers: HttpAnswer["headers"] = {};
    const chunks: Buffer[] = [];
    let bytes = 0;
    let ended = false;

    const settle = () => {
      ended = true;
      clearTimeout(timer);
      unlisten?.();
    };
    /** The caller is answered at once; the connection is cut as soon as there is one. */
    const stop = (error: LachesisError) => {
      if (ended) return;
      settle();
      failure = error;
      reject(error);
      controller?.abort(error);
    };
    const timer = setTimeout(
      () =>
        stop(
          new LachesisError("timeout", `${request.url} gave no whole answer within ${request.timeoutMs / 1000} s.`, {
            details: { timeoutMs: request.timeoutMs },
          }),
        ),
      Math.min(request.timeoutMs, 2 ** 31 - 1),
    );
    const unlisten = signal === undefined ? null : onAbort(signal, () => stop(cancelledBy(signal)));

    const lease = connections.lease();
    lease.dispatcher.dispatch(
      {
        origin: lease.origin,
        method: request.method,
        path: request.path,
        headers: request.headers,
        ...(request.body === undefined ? {} : { body: request.body }),
      },
      {
        onRequestStart(started) {
          controller = started;
          if (failure !== null) started.abort(failure);
        },
        onResponseStart(_controller, statusCode, responseHeaders) {
          if (statusCode < 200) return;
          status = statusCode;
          headers = responseHeaders;
        },
        onResponseData(_controller, chunk) {
          bytes += chunk.length;
          chunks.push(chunk);
          if (bytes > MAX_ANSWER_BYTES) {
            stop(
              new LachesisError("malformed_response", `${request.url} answered more than ${MAX_ANSWER_BYTES} bytes.`),
            );
          }
        },
        onResponseEnd() {
          lease.release();
          if (ended) return;
          settle();
          const body = chunks.length === 1 ? chunks[0]!.toString("utf8") : Buffer.concat(chunks).toString("utf8");
          resolve({ status, headers, body });
        },
        onResponseError(_controller, error) {
          lease.release();
          if (ended) return;
          settle();
          reject(
            new LachesisError("connection", redacted(`${request.url}: ${connectionTrouble(error, status)}`), {
              cause: error,
            }),
          );
        },
      },
    );
  });
}

function connectionTrouble(error: unknown, status: number): string {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (code === "ECONNREFUSED") return "nothing listens there (connection refused)";
  if (code === "ENOTFOUND" || code === "EAI_AGAIN") return `the host name cannot be resolved (${code})`;
  // Node reports a name with several addresses as one error without a message of its own.
  if (error instanceof AggregateError) return error.errors.map(errorMessage).join("; ");
  const where = status === 0 ? "before it answered" : "in the middle of the answer";
  return `the connection broke ${where} (${errorMessage(error)})`;
}
