/**
 * One rollout from start to end: tries it, tries again when a try was aborted by something that may pass, and never
 * throws. A try that exceeds its time or ignores cancellation is left behind, so that it holds up nobody.
 */
import { type Clock, LachesisError, toLachesisError } from "../core/index.ts";
import { type Aborted, endsRun, type RetryRecord } from "../evaluation/index.ts";
import { type Judgements, type MeasuredValue, measuredMeans, measuring } from "./metric-scope.ts";
import { RetryAllowance } from "./retry-allowance.ts";
import type { GroupTools, Rollout, RolloutSession, Split } from "./rollout.ts";
import type { RunControl } from "./run-control.ts";
import { type FinishedTrajectory, finished, type Trajectory, withoutAgent } from "./trajectory.ts";

/** Who a rollout is; the same after a resume. */
export interface MemberIdentity {
  id: string;
  itemId: string;
  groupId: string;
  member: number;
  seed: number;
}

export interface MemberOptions {
  control: RunControl;
  clock: Clock;
  split: Split;
  temperature: number;
  tools: GroupTools | null;
  /** Requests are made again so many times by the server. */
  requestRetries: number;
  /** Opened anew for each try. */
  openSession(identity: MemberIdentity): RolloutSession;
  /** How often an aborted rollout is tried again. */
  rolloutRetries: number;
  /** Milliseconds that one try may take; null is no limit. */
  timeoutMs: number | null;
  /** Told of every try that is made again. */
  onRetry(record: RetryRecord): void;
}

export interface MemberEnd {
  trajectory: FinishedTrajectory;
  tries: number;
  startedAt: Date;
  totalMs: number;
  metrics: Record<string, number> | undefined;
}

/** Milliseconds that a cancelled try gets to end by itself, its sandbox included. */
const GRACE_MS = 5_000;
const FIRST_PAUSE_MS = 250;

/** null: the run was cancelled before the rollout had ended, so there is nothing to record. */
export async function runMember(
  identity: MemberIdentity,
  collect: (rollout: Rollout) => Promise<Trajectory>,
  options: MemberOptions,
): Promise<MemberEnd | null> {
  const { control, clock } = options;
  const allowance = new RetryAllowance(options.requestRetries);
  const judgements: Judgements = new Map();
  for (let tries = 1; ; tries++) {
    if (control.cancelled) return null;
    const startedAt = clock.date();
    const started = clock.now();
    const values: MeasuredValue[] = [];
    const trajectory = await oneTry(identity, collect, options, allowance, values, judgements);
    if (trajectory === null) return null;
    const end = { trajectory, tries, startedAt, totalMs: clock.now() - started, metrics: measuredMeans(values) };
    const { outcome } = trajectory;
    if (outcome.kind !== "aborted") {
      control.ended(outcome);
      return end;
    }
    if (endsRun(outcome)) control.stopNew(new LachesisError(outcome.error.code, outcome.error.message));
    if (!outcome.error.retryable || tries > options.rolloutRetries || control.stopped) {
      control.ended(outcome);
      return end;
    }
    const { id, itemId, groupId } = identity;
    options.onRetry({
      type: "retry",
      item_id: itemId,
      group_id: groupId,
      rollout_id: id,
      attempt: tries,
      error: outcome.error,
      usage: trajectory.usage,
    });
    if (!(await pause(FIRST_PAUSE_MS * 2 ** (tries - 1), options))) return control.cancelled ? null : end;
  }
}

async function oneTry(
  identity: MemberIdentity,
  collect: (rollout: Rollout) => Promise<Trajectory>,
  options: MemberOptions,
  allowance: RetryAllowance,
  values: MeasuredValue[],
  judgements: Judgements,
): Promise<FinishedTrajectory | null> {
  const { control, timeoutMs } = options;
  const controller = control.child();
  const session = options.openSession(identity);
  const timer =
    timeoutMs === null
      ? null
      : setTimeout(() => controller.abort(tooLong(timeoutMs)), Math.min(timeoutMs, 2 ** 31 - 1));
  try {
    const rollout: Rollout = {
      ...identity,
      split: options.split,
      temperature: options.temperature,
      signal: controller.signal,
      tools: options.tools,
      session: { server: allowance.server(session.server), finish: (end) => session.finish(end) },
    };
    const value = await unlessAbandoned(
      measuring(values, () => collect(rollout), judgements),
      controller.signal,
    );
    if (control.cancelled) return endedByItself(value) ? finished(value) : null;
    const trajectory = finished(value);
    return controller.signal.aborted && trajectory.stop_reason === "cancelled"
      ? { ...trajectory, outcome: aborted(controller.signal.reason) }
      : trajectory;
  } catch (error) {
    if (control.cancelled) return null;
    return withoutAgent(aborted(controller.signal.aborted ? controller.signal.reason : error));
  } finally {
    if (timer) clearTimeout(timer);
    control.release(controller);
  }
}

/** A rollout that was scored before the cancellation reached it is kept: it is paid for. */
function endedByItself(value: Trajectory): boolean {
  return value.result?.stop_reason !== "cancelled" && finished(value).outcome.kind === "scored";
}

/** The work's result; once the signal aborted, the work has a grace period and is then left behind. */
function unlessAbandoned<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    let timer: NodeJS.Timeout | null = null;
    const onAbort = () => {
      timer = setTimeout(() => reject(signal.reason), GRACE_MS);
    };
    const settle = () => {
      signal.removeEventListener("abort", onAbort);
      if (timer) clearTimeout(timer);
    };
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
    work.then(
      (value) => {
        settle();
        resolve(value);
      },
      (error: unknown) => {
        settle();
        reject(error);
      },
    );
  });
}

/** Waits before the next try. False when the run was stopped meanwhile. */
function pause(ms: number, { control, clock }: MemberOptions): Promise<boolean> {
  const controller = control.child();
  const forget = control.onStop(() => controller.abort(control.stopped));
  return clock
    .sleep(ms, controller.signal)
    .then(
      () => true,
      () => false,
    )
    .finally(() => {
      forget();
      control.release(controller);
    });
}

function aborted(error: unknown): Aborted {
  return { kind: "aborted", error: toLachesisError(error).toJSON() };
}

function tooLong(ms: number): LachesisError {
  return new LachesisError("timeout", `The rollout took longer than ${ms / 1000} s (env.worker_timeout).`);
}
