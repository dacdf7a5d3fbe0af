/**
 * The operations of the API on a store, independent of HTTP and of the protocol's version: submit with an idempotency
 * key, wait for a batch, acknowledge it.
 */
import { createHash, randomBytes } from "node:crypto";
import { LachesisError } from "../../core/index.ts";
import type { EnvStatus } from "../contract.ts";
import { ackBatch, type HandedOut, leaseBatch, mayLease, nackBatch } from "../state/batches.ts";
import { isFresh, seenEnv } from "../state/membership.ts";
import type { RunState } from "../state/run-state.ts";
import { envStatus, raiseGroupSize, raisesGroupSize } from "../state/status.ts";
import { type ArrivingGroup, type SubmitResult, submit } from "../state/submits.ts";
import type { ApiContext } from "./context.ts";

/** Submits are remembered for so long; a repeated one after that counts as new. */
const KEY_LIFETIME_MS = 24 * 60 * 60 * 1000;
const MOST_KEYS = 50_000;

/** Throws `api_unavailable` (full), `conflict` (the key was used for another body). */
export function submitGroups(
  context: ApiContext,
  run: string,
  groups: readonly ArrivingGroup[],
  idempotency: { key: string; body: Uint8Array } | null,
): Promise<SubmitResult[]> {
  const hash = idempotency && createHash("sha256").update(idempotency.body).digest("base64");
  context.metrics.received(run, groups);
  return context.store.update(run, (state, now) => {
    const key = idempotency && `submit:${idempotency.key}`;
    const known = key === null ? undefined : state.keys.get(key);
    if (known) {
      if (known.hash === hash) return keptAnswer(known.answer);
      throw new LachesisError("conflict", `Idempotency-Key ${idempotency!.key} was used for another body.`);
    }
    const results = submit(state, groups, context.bounds, now);
    for (const env of new Set(groups.map((group) => group.env)))
      if (env !== null && state.envs.has(env)) seenEnv(state, env, now);
    if (key !== null) {
      state.put({ table: "key", id: key, body: { hash: hash!, answer: compact(results), at: now } });
      forgetOldKeys(state, now);
    }
    return results;
  });
}

/** Most submits are taken whole: their number says it all, and keys of long lists stay small. */
function compact(results: readonly SubmitResult[]): number | readonly SubmitResult[] {
  return results.every(({ status }) => status === "received") ? results.length : results;
}

function keptAnswer(answer: unknown): SubmitResult[] {
  return typeof answer === "number"
    ? Array.from({ length: answer }, () => ({ status: "received" }))
    : (answer as SubmitResult[]);
}

/** Keys stand in the order of their use, so only the oldest need a look. */
function forgetOldKeys(state: RunState, now: number): void {
  for (const [id, row] of state.keys) {
    if (state.keys.size <= MOST_KEYS && now - row.at < KEY_LIFETIME_MS) return;
    state.put({ table: "key", id, body: null });
  }
}

export interface LeasedPayloads {
  lease: HandedOut;
  payloads: Uint8Array[];
}

export interface WaitOptions {
  trainer: string;
  leaseMs: number;
  maxWaitMs: number;
  signal: AbortSignal;
  /** Done in the same moment, before a batch is looked for. */
  first?: (state: RunState, now: number) => void;
}

/** Leases the next batch, waiting for one up to `maxWaitMs`; null when there is none. */
export async function waitForBatch(
  context: ApiContext,
  run: string,
  options: WaitOptions,
): Promise<LeasedPayloads | null> {
  const deadline = context.clock.now() + options.maxWaitMs;
  const signal = AbortSignal.any([options.signal, context.closing]);
  for (;;) {
    // Listen before looking, or a group that arrives in between is missed.
    let wake: () => void = () => {};
    const changed = new Promise<void>((resolve) => {
      wake = resolve;
    });
    const unwatch = context.store.watch(run, wake);
    try {
      const left = deadline - context.clock.now();
      const lease = await tryLease(context, run, options, left <= 0);
      if (lease) return { lease, payloads: await payloadsOf(context, run, lease) };
      if (left <= 0 || signal.aborted) return null;
      // Also look when a lease of somebody else may have run out.
      const pause = new AbortController();
      await Promise.race([
        changed,
        context.clock.sleep(Math.min(left, 1000), AbortSignal.any([signal, pause.signal])).catch(() => {}),
      ]);
      pause.abort();
    } finally {
      unwatch();
    }
  }
}

/** A batch that cannot be read goes back at once, rather than when its lease has run out. */
async function payloadsOf({ store }: ApiContext, run: string, lease: HandedOut): Promise<Uint8Array[]> {
  try {
    return await store.payloads(run, lease.groups);
  } catch (error) {
    await store.update(run, (state) => nackBatch(state, lease.id));
    throw error;
  }
}

/**
 * Whoever can wait takes the run's lock only where there seems to be a batch, and does not stand in line for it: what
 * another server does with the run wakes it again. The last look is a thorough one.
 */
async function tryLease(
  { store }: ApiContext,
  run: string,
  { first, trainer, leaseMs }: WaitOptions,
  isLast: boolean,
): Promise<HandedOut | null> {
  const work = (state: RunState, now: number) => {
    first?.(state, now);
    return leaseBatch(state, trainer, leaseMs, now);
  };
  if (isLast || first) return store.update(run, work);
  return (await store.read(run, mayLease)) ? store.tryUpdate(run, work) : null;
}

/** An env's status, which is also its sign of life. Writes only what changed: environments ask all the time. */
export async function statusOfEnv(context: ApiContext, run: string, env: number): Promise<EnvStatus> {
  const seen = await context.store.read(run, (state, now) =>
    isFresh(state, env, now) && !raisesGroupSize(state, env) ? envStatus(state, env) : null,
  );
  if (seen) return seen;
  return context.store.update(run, (state, now) => {
    // First, since one that comes back has a share again.
    seenEnv(state, env, now);
    const status = envStatus(state, env);
    raiseGroupSize(state, env);
    return status;
  });
}

export function acknowledge(context: ApiContext, run: string, id: string): Promise<"acked"> {
  return context.store.update(run, (state, now) => ackBatch(state, id, now));
}

/** A random 128-bit number as decimal text: v1 prints it as a bare integer, larger than a double can hold. */
export function newTrainerId(): string {
  return BigInt(`0x${randomBytes(16).toString("hex")}`).toString();
}

/** JSON texts of groups as one array, without reading them. */
export function joinedArray(payloads: readonly Uint8Array[]): Buffer {
  const parts: Uint8Array[] = [];
  payloads.forEach((payload, index) => {
    parts.push(index === 0 ? OPEN : COMMA, payload);
  });
  return Buffer.concat([...(parts.length === 0 ? [OPEN] : parts), CLOSE]);
}

const OPEN = Buffer.from("[");
const COMMA = Buffer.from(",");
const CLOSE = Buffer.from("]");
