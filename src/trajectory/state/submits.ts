/** What happens to a scored group that arrives: straight into the queue, into its env's buffer, or aside. */
import { LachesisError } from "../../core/index.ts";
import type { RunState } from "./run-state.ts";
import { exactSubset } from "./subset.ts";

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
    throw new LachesisError(
      "api_unavailable",
      `The queue of run "${state.name}" is full: ${state.waitingGroups} of ${most} groups, ${state.waitingBytes} of ${mostBytes} bytes. Send again later.`,
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
    state.patchRun({
      nextGroup: id + 1,
      aside: { ...state.run.aside, [refused]: (state.run.aside[refused] ?? 0) + 1 },
    });
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
  const left = [...(state.buffers.get(group.env!) ?? [])];
  return { status: "buffered", buffer_size: left.reduce((sum, member) => sum + state.groups.get(member)!.size, 0) };
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
  const waiting = [...(state.buffers.get(env) ?? [])];
  const places = exactSubset(
    waiting.map((id) => state.groups.get(id)!.size),
    target,
  );
  for (const place of places ?? []) {
    const id = waiting[place]!;
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
