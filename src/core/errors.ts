/**
 * The one vocabulary of errors. Every error that crosses a room's border is a `LachesisError` whose code stands in
 * `ERRORS`; foreign errors are converted at the edge, once, and kept as `cause`.
 */

/** Whose fault it is. Only `model` faults are part of a rollout's score; everything else is infrastructure. */
export type Fault = "user" | "model" | "tool" | "sandbox" | "server" | "verifier" | "internal";

interface ErrorKind {
  readonly fault: Fault;
  /** Whether the same call may succeed if it is made again. */
  readonly retryable: boolean;
  readonly meaning: string;
}

const kind = (fault: Fault, retryable: boolean, meaning: string): ErrorKind => ({ fault, retryable, meaning });

export const ERRORS = {
  config_invalid: kind("user", false, "The configuration has an unknown field, a wrong type or a contradiction."),
  missing_dependency: kind("user", false, "An optional package or program is needed and not installed."),
  unsupported: kind("user", false, "What was asked for cannot be done here."),
  not_found: kind("user", false, "A named file, model, tool or data set does not exist."),
  data_invalid: kind("user", false, "A data file or row has the wrong shape."),
  disk_full: kind("internal", false, "The disk is full; nothing more can be recorded."),
  internal: kind("internal", false, "A fault of Lachesis itself."),
  cancelled: kind("user", false, "The run was interrupted."),

  auth: kind("user", false, "The inference server refused the key (401, 403)."),
  model_not_found: kind("user", false, "The inference server does not know the model."),
  bad_request: kind("server", false, "The inference server refused the request (4xx)."),
  context_overflow: kind("model", false, "The conversation no longer fits in the model's context."),
  content_filter: kind("server", false, "The provider's content filter cut the answer."),
  rate_limited: kind("server", true, "The inference server answered 429."),
  server_error: kind("server", true, "The inference server answered 5xx."),
  connection: kind("server", true, "The connection failed or was cut."),
  timeout: kind("server", true, "The request took longer than its time-out."),
  malformed_response: kind("server", true, "The inference server's answer could not be read."),
  empty_response: kind("server", true, "The inference server answered without choices."),

  sandbox_unavailable: kind("sandbox", false, "No isolated sandbox can be made on this machine."),
  sandbox_create: kind("sandbox", true, "A sandbox could not be started."),
  sandbox_died: kind("sandbox", true, "The sandbox ended while it was in use."),
  sandbox_closed: kind("sandbox", false, "The sandbox was already destroyed."),
  sandbox_protocol: kind("sandbox", true, "The sandbox helper sent something that is not of its protocol."),
  sandbox_io: kind("sandbox", false, "A file operation inside the sandbox failed; `errno` says why."),
  sandbox_disk_full: kind("sandbox", false, "The sandbox has used up its disk limit."),

  tool_unknown: kind("model", false, "The model called a tool that was not offered."),
  tool_arguments: kind("model", false, "The model's arguments are not of the tool's schema."),
  tool_failed: kind("tool", false, "A tool raised an error."),

  template_error: kind("user", false, "The chat template refused the conversation."),
  tokenizer_error: kind("user", false, "The tokenizer's files are missing or cannot be used."),
  weights_invalid: kind("user", false, "Model weights are missing, or have the wrong shape or type."),
  prompt_too_long: kind("model", false, "The prompt is longer than the model's context."),
  token_unknown: kind("user", false, "A token id lies outside the vocabulary."),

  reward_error: kind("verifier", false, "The reward function threw, timed out or gave no number."),
  verifier_error: kind("verifier", true, "The verifier itself failed."),

  api_rejected: kind("user", false, "The trajectory API refused the data (4xx)."),
  api_unavailable: kind("server", true, "The trajectory API cannot be reached or is full."),
  conflict: kind("user", false, "Another owner or another content holds what was named."),
} as const satisfies Record<string, ErrorKind>;

export type ErrorCode = keyof typeof ERRORS;

export interface LachesisErrorOptions {
  cause?: unknown;
  /** Facts for programs: file, line, status, errno, retryAfterMs … Never a secret. */
  details?: Record<string, unknown>;
}

/**
 * An error with a documented code.
 * @example
 * throw new LachesisError("sandbox_died", "The sandbox ended with signal 9.", { details: { sandbox: id } });
 */
export class LachesisError extends Error {
  override readonly name = "LachesisError";
  readonly code: ErrorCode;
  readonly details: Record<string, unknown>;

  constructor(code: ErrorCode, message: string, options: LachesisErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.details = options.details ?? {};
  }

  get fault(): Fault {
    return ERRORS[this.code].fault;
  }

  get retryable(): boolean {
    return ERRORS[this.code].retryable;
  }

  /** The form that is written to journals. */
  toJSON(): { code: ErrorCode; message: string; fault: Fault; retryable: boolean } {
    return { code: this.code, message: this.message, fault: this.fault, retryable: this.retryable };
  }
}

/** Gives any thrown value as a `LachesisError`; what is one already comes back unchanged. */
export function toLachesisError(error: unknown, fallback: ErrorCode = "internal"): LachesisError {
  if (error instanceof LachesisError) return error;
  const code = isErrno(error) && (error.code === "ENOSPC" || error.code === "EDQUOT") ? "disk_full" : fallback;
  return new LachesisError(code, errorMessage(error), { cause: error });
}

/** The message of anything that was thrown. */
export function errorMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** True for Node's system errors, whose `code` is a name such as ENOENT. */
export function isErrno(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && typeof (error as NodeJS.ErrnoException).code === "string";
}
