/** When a failed request is made again: the only place in the project where a model call is repeated. */
import type { LachesisError } from "../core/index.ts";

export interface RetryPolicy {
  /** Wait before the first repetition, doubled each time, halved or increased by up to half at random. */
  baseMs: number;
  maxMs: number;
  /** The longest that a Retry-After is honoured. */
  retryAfterCapMs: number;
}

export const DEFAULT_RETRY: RetryPolicy = { baseMs: 500, maxMs: 10_000, retryAfterCapMs: 60_000 };

/** What the server asked for, within the cap; null where it asked for nothing. */
export function askedWaitMs(error: LachesisError, policy: RetryPolicy): number | null {
  const asked = error.details.retryAfterMs;
  return typeof asked === "number" ? Math.min(asked, policy.retryAfterCapMs) : null;
}

/** Milliseconds to wait after the `failures`-th failure (from 1). Never sooner than the server asked for. */
export function waitMs(failures: number, asked: number | null, policy: RetryPolicy): number {
  const exponential = Math.min(policy.maxMs, policy.baseMs * 2 ** (failures - 1));
  const jittered = exponential * (0.5 + Math.random());
  if (asked === null) return jittered;
  // Those who were refused together must not come back in the same millisecond.
  return Math.max(jittered, asked + Math.random() * Math.min(1000, asked / 4));
}
