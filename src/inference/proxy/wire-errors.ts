/**
 * What a client of the proxy is told when something goes wrong, in the form of its dialect. Statuses are chosen by
 * whether the same request may succeed later: SDKs repeat 408, 409, 429 and 5xx by themselves, so nothing that is final
 * has one of these without `x-should-retry: false`. No message holds a key.
 */
import { type ErrorCode, isErrno, LachesisError, redacted, toLachesisError } from "../../core/index.ts";

/** A refusal of the proxy itself. */
export function refusal(status: number, code: string, message: string): LachesisError {
  return new LachesisError("bad_request", message, { details: { status, wire_code: code } });
}

const STATUS: Partial<Record<ErrorCode, number>> = {
  bad_request: 400,
  config_invalid: 400,
  prompt_too_long: 400,
  context_overflow: 400,
  content_filter: 400,
  template_error: 400,
  token_unknown: 400,
  unsupported: 400,
  not_found: 404,
  conflict: 400,
  rate_limited: 429,
  timeout: 504,
  auth: 502,
  model_not_found: 502,
  connection: 502,
  server_error: 502,
  malformed_response: 502,
  empty_response: 502,
  cancelled: 503,
};

export interface WireProblem {
  status: number;
  message: string;
  code: string;
  /** False where the same request will never succeed. */
  retry: boolean;
}

export function wireProblem(thrown: unknown): WireProblem {
  const error = thrown instanceof LachesisError ? thrown : fromHttp(thrown);
  const { status: own, wire_code } = error.details;
  const status = typeof own === "number" && typeof wire_code === "string" ? own : (STATUS[error.code] ?? 500);
  const overflow = error.code === "prompt_too_long" || error.code === "context_overflow";
  const code = typeof wire_code === "string" ? wire_code : overflow ? "context_length_exceeded" : error.code;
  return { status, message: redacted(error.message), code, retry: error.retryable };
}

/** `{"error": {message, type, code}}`. */
export function openaiError({ status, message, code }: WireProblem): object {
  const type =
    status === 401
      ? "authentication_error"
      : status === 429
        ? "rate_limit_error"
        : status < 500
          ? "invalid_request_error"
          : "server_error";
  return { error: { message, type, param: null, code } };
}

const ANTHROPIC_TYPES: Record<number, string> = {
  400: "invalid_request_error",
  401: "authentication_error",
  403: "permission_error",
  404: "not_found_error",
  413: "request_too_large",
  429: "rate_limit_error",
  503: "overloaded_error",
};

/** `{"type": "error", "error": {type, message}}`; the code stands beside them. */
export function anthropicError({ status, message, code }: WireProblem): object {
  const type = ANTHROPIC_TYPES[status] ?? (status < 500 ? "invalid_request_error" : "api_error");
  // Clients of this dialect know an overflow by these words.
  const text = code === "context_length_exceeded" ? `prompt is too long: ${message}` : message;
  return { type: "error", error: { type, message: text, code } };
}

/** fastify's own refusals (no JSON, too large a body) are the caller's fault, too. */
function fromHttp(thrown: unknown): LachesisError {
  const status = (thrown as { statusCode?: unknown } | null)?.statusCode;
  if (
    typeof status !== "number" ||
    status < 400 ||
    status >= 500 ||
    (isErrno(thrown) && !thrown.code?.startsWith("FST_"))
  ) {
    return toLachesisError(thrown);
  }
  return refusal(status, status === 413 ? "request_too_large" : "bad_request", (thrown as Error).message);
}
