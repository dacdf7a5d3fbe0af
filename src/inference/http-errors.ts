/**
 * Conversion of a server's refusal into an error of ours, once, at the edge. The class decides everything that follows:
 * whether the request is made again, whether the rollout ends with a stop reason, and whether the run ends.
 */
import { type ErrorCode, isObject, LachesisError, redacted } from "../core/index.ts";
import { isContextOverflow } from "./context-overflow.ts";
import type { HttpAnswer } from "./http-request.ts";
import { retryAfterMs } from "./retry-after.ts";

/** What the request was, for the message. */
export interface RequestFacts {
  url: string;
  model: string;
  /** Variable that would hold the key; null where none is known. */
  keyVariable: string | null;
}

const MAX_QUOTED_CHARS = 600;

/** Codes after which no further request of the run can succeed: the user must change something. */
const FATAL_TO_RUN: ReadonlySet<ErrorCode> = new Set(["auth", "model_not_found"]);

/** True when the run should start nothing new: a refused key, no credit, an unknown model or address. */
export function isFatalToRun(error: unknown): boolean {
  return error instanceof LachesisError && FATAL_TO_RUN.has(error.code);
}

/** The error for an answer whose status is not 2xx, or whose body says that it is an error. */
export function refusal(answer: HttpAnswer, facts: RequestFacts, now: Date): LachesisError {
  const { message, code, param, status } = whatItSays(answer);
  const verdict = classify(status, message, code);
  const quoted = redacted(message).slice(0, MAX_QUOTED_CHARS);
  const details: Record<string, unknown> = { status };
  if (code !== null) details.server_code = code;
  if (param !== null) details.param = param;
  if (verdict === "rate_limited" || verdict === "server_error") {
    const wait = retryAfterMs(answer.headers, now);
    if (wait !== null) details.retryAfterMs = wait;
  }
  return new LachesisError(
    verdict,
    `${redacted(facts.url)} answered ${status}: ${quoted}${advice(verdict, status, facts)}`,
    {
      details,
    },
  );
}

function classify(status: number, message: string, code: string | null): ErrorCode {
  if (code === "insufficient_quota" || status === 402) return "auth";
  if (status === 429) return "rate_limited";
  // Some servers report an overflow as 422 or 500. A body that is too large is a conversation that is too long.
  if (status === 413 || (status < 501 && isContextOverflow(message, code))) return "context_overflow";
  if (isContentFilter(message, code, status)) return "content_filter";
  if (status === 401 || status === 403 || /api[_ ]key not valid|incorrect api key|invalid api key/i.test(message)) {
    return "auth";
  }
  if (
    status === 404 ||
    code === "model_not_found" ||
    /not a valid model id|model .{0,200} does not exist/i.test(message)
  ) {
    return "model_not_found";
  }
  if (status === 408) return "timeout";
  if (status === 409 || status === 425) return "server_error";
  if (status >= 500 && status !== 501) return "server_error";
  return "bad_request";
}

function isContentFilter(message: string, code: string | null, status: number): boolean {
  if (code === "content_filter" || code === "content_policy_violation") return true;
  if (status !== 400 && status !== 403) return false;
  return /content (management|filter|policy|moderation)|requires moderation|was flagged|ResponsibleAI/i.test(message);
}

function advice(code: ErrorCode, status: number, facts: RequestFacts): string {
  if (code === "auth") {
    if (status === 402 || status === 429) return " The account has no credit or quota left.";
    const variable = facts.keyVariable === null ? "" : ` or ${facts.keyVariable} in the environment or .env`;
    return ` Set --openai.api_key${variable}.`;
  }
  if (code === "model_not_found") {
    return ` Check --openai.model_name (${facts.model}) and --openai.base_url (with its /v1).`;
  }
  return "";
}

/** The message, code and status of every error body in use: OpenAI, Anthropic, vLLM, FastAPI, OpenRouter, plain text. */
function whatItSays(answer: HttpAnswer): {
  message: string;
  code: string | null;
  /** The field that it names as wrong. */
  param: string | null;
  status: number;
} {
  const plain = { message: answer.body.trim() || "(no text)", code: null, param: null, status: answer.status };
  const body = parsed(answer.body);
  if (!isObject(body)) return plain;
  const error = isObject(body.error) ? body.error : body;
  const message = [error.message, body.error, error.detail, error.msg, error.object === "error" ? error : undefined]
    .map(asText)
    .find((text) => text !== null);
  const raw = isObject(error.metadata) ? asText(error.metadata.raw) : null;
  const code = [error.code, error.type].find((value) => typeof value === "string") ?? null;
  return {
    message: [message ?? plain.message, raw].filter((text) => text !== null).join(" "),
    code: typeof code === "string" ? code : null,
    param: typeof error.param === "string" ? error.param : null,
    status: answer.status < 300 ? statusInside(error.code) : answer.status,
  };
}

/** An error that came with status 200: its own number, or 502 (some server behind it failed). */
function statusInside(code: unknown): number {
  const status = Number(code);
  return Number.isInteger(status) && status >= 400 && status < 600 ? status : 502;
}

function asText(value: unknown): string | null {
  if (typeof value === "string") return value.trim() === "" ? null : value;
  if (isObject(value) || Array.isArray(value)) return JSON.stringify(value);
  return null;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
