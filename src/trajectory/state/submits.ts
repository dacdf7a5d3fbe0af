/** What happens to a scored group that arrives: straight into the queue, into its env's buffer, or aside. */
import { LachesisError } from "../../core/index.ts";
import type { RunState } from "./run-state.ts";

export interface ArrivingGroup {
  env: number | null;
  /** Sequences. */
  size: number;
  weights: [number, number] | null;
  payload: Uint8Array;
}

export type SubmitResult =
  | { status: "received" }
  | { status: "buffered"; buffer_size: number }
  | { status: "aside"; reason: string };

/** Older groups than these that were set aside are let go; their number stays. */
const MOST_ASIDE = 10_000;
const MOST_ASIDE_BYTES = 1024 ** 3;

export interface QueueBounds {
  /** Groups and bytes that may wait; a submit that would exceed them is refused as a whole. */
  groups: number;
  bytes: number;
}

/** Throws `api_unavailable` where the queue is full; nothing is taken then. */
export function submit(
  state: RunState,
  groups: readonly ArrivingGroup[],
  bounds: QueueBounds,
  now: number,
): SubmitResult[] {
  const bytes = groups.reduce((sum, group) => sum + group.payload.byteLength, 0);
  const most = Math.min(bounds.groups, state.run.registration?.max_queue_groups ?? bounds.groups);
  const mostBytes = Math.min(bounds.bytes, state.run.registration?.max_queue_bytes ?? bounds.bytes);
  if (groups.length > 0 && (state.waitingGroups + groups.length > most || state.waitingBytes + bytes > mostBytes)) {
    const seen = state.run.trainerSeen;
    const trainer =
      seen === undefined
        ? "No trainer has asked for a batch yet."
        : `Its trainer last asked for a batch ${ago(now - seen)} ago.`;
    throw new LachesisError(
      "api_unavailable",
      `The queue of run "${state.name}" is full: ${state.waitingGroups} of ${most} groups, ${state.waitingBytes} of ${mostBytes} bytes. Send again later. ${trainer}`,
      { details: { retryAfterMs: 1000 } },
    );
  }
  return groups.map((group) => take(state, group, now));
}

function take(state: RunState, group: ArrivingGroup, now: number): SubmitResult {
  const id = state.run.nextGroup;
  const { payload, ...facts } = group;
  const row = { ...facts, bytes: payload.byteLength, place: null, at: now };
  const put = (body: Parameters<RunState["put"]>[0] & { table: "group" }) => state.put(body);
  const refused = whyNot(state, group);
  if (refused) {
    put({ table: "group", id: String(id), body: { ...row, state: "aside", reason: refused }, payload });
    state.patchRun({ nextGroup: id + 1 });
    countAside(state, [refused]);
    return { status: "aside", reason: refused };
  }
  const env = group.env === null ? undefined : state.envs.get(group.env);
  if (!env || env.groupSize === group.size) {
    const place = state.run.nextPlace;
    put({ table: "group", id: String(id), body: { ...row, state: "queued", place }, payload });
    state.patchRun({ nextGroup: id + 1, nextPlace: place + 1 });
    replaceLatest(state, id);
    return { status: "received" };
  }
  put({ table: "group", id: String(id), body: { ...row, state: "buffered" }, payload });
  state.patchRun({ nextGroup: id + 1 });
  completeBuffer(state, group.env!, env.groupSize);
  return { status: "buffered", buffer_size: state.buffers.get(group.env!)?.sequences ?? 0 };
}

/** Counts groups that were just set aside, by their reasons, and bounds how many are kept. */
export function countAside(state: RunState, reasons: readonly string[]): void {
  const aside = { ...state.run.aside };
  for (const reason of reasons) aside[reason] = (aside[reason] ?? 0) + 1;
  state.patchRun({ aside });
  for (const oldest of state.aside) {
    if (state.aside.size <= MOST_ASIDE && state.asideBytes <= MOST_ASIDE_BYTES) return;
    state.put({ table: "group", id: String(oldest), body: null });
  }
}

/** Why a group can never be part of a batch; null when it can. */
export function whyNot(state: RunState, group: Pick<ArrivingGroup, "size" | "weights">): string | null {
  const { registration, step } = state.run;
  if (!registration) return null;
  if (registration.batch_size > 0 && group.size > registration.batch_size) return "larger_than_batch";
  const { max_staleness } = registration;
  if (max_staleness != null && group.weights && step - group.weights[0] > max_staleness) return "stale";
  return null;
}

/** Lets buffered groups whose sizes add up to the env's group size into the queue. */
function completeBuffer(state: RunState, env: number, target: number): void {
  for (const id of state.buffers.get(env)?.completing(target) ?? []) {
    state.patchGroup(id, { state: "queued", place: state.run.nextPlace });
    state.patchRun({ nextPlace: state.run.nextPlace + 1 });
    replaceLatest(state, id);
  }
}

/** The run remembers the last group that entered the queue; one that was kept only for that is let go. */
function replaceLatest(state: RunState, id: number): void {
  const { latest } = state.run;
  if (latest !== null && state.groups.get(latest)?.state === "kept") {
    state.put({ table: "group", id: String(latest), body: null });
  }
  state.patchRun({ latest: id });
}

function ago(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  return seconds < 120 ? `${seconds} s` : `${Math.round(seconds / 60)} min`;
}
