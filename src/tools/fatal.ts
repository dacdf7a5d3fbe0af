/** Which errors end a rollout: those that say that its sandbox is gone. A full disk or a missing file are ordinary results. */
import { type ErrorCode, LachesisError } from "../core/index.ts";

const FATAL: ReadonlySet<ErrorCode> = new Set([
  "sandbox_unavailable",
  "sandbox_create",
  "sandbox_died",
  "sandbox_closed",
  "sandbox_protocol",
]);

/** Whether the error means that the rollout has to be aborted. */
export function endsRollout(error: unknown): boolean {
  return error instanceof LachesisError && FATAL.has(error.code);
}
