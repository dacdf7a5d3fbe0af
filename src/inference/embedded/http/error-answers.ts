/** Errors in the form of the OpenAI API: `{"error": {message, type, code}}` with the status that clients act upon. */
import { type ErrorCode, LachesisError, toLachesisError } from "../../../core/index.ts";

const STATUS: Partial<Record<ErrorCode, number>> = {
  bad_request: 400,
  config_invalid: 400,
  prompt_too_long: 400,
  token_unknown: 400,
  template_error: 400,
  not_found: 404,
  unsupported: 400,
  weights_invalid: 422,
  tokenizer_error: 422,
  cancelled: 503,
};

export interface ErrorAnswer {
  status: number;
  body: { error: { message: string; type: string; code: string } };
}

export function errorAnswer(thrown: unknown): ErrorAnswer {
  const error = thrown instanceof LachesisError ? thrown : fromHttp(thrown);
  const status = STATUS[error.code] ?? 500;
  // The name by which clients of this API know a prompt that does not fit.
  const code = error.code === "prompt_too_long" ? "context_length_exceeded" : error.code;
  const type = status < 500 ? "invalid_request_error" : "server_error";
  return { status, body: { error: { message: error.message, type, code } } };
}

/** fastify's own refusals (no JSON, too large a body) are the caller's fault, too. */
function fromHttp(thrown: unknown): LachesisError {
  const status = (thrown as { statusCode?: unknown } | null)?.statusCode;
  const refused = typeof status === "number" && status >= 400 && status < 500;
  return refused
    ? new LachesisError("bad_request", (thrown as Error).message, { cause: thrown })
    : toLachesisError(thrown);
}
