/**
 * Forming, leasing and acknowledging batches. Batches leave in the order in which they were formed; one whose lease ran
 * out or that was refused goes first again, whole. A step is counted when a batch is handed out for the first time.
 */
import { LachesisError } from "../../core/index.ts";
import type { QueuedGroup } from "./packing.ts";
import type { BatchRow, Lease } from "./records.ts";
import type { RunState } from "./run-state.ts";
import { countAside, whyNot } from "./submits.ts";

/** Batches that are formed ahead of being asked for. More would make the first call on a long queue slow. */
const AHEAD = 16;

/** How much older than its last stored sign of life a trainer may look: writing each one down would cost a disk write. */
const SEEN_RESOLUTION_MS = 10_000;

/** Of leases that older versions wrote. */
const OLD_LEASE_MS = 24 * 60 * 60 * 1000;

/** Clocks that are read at the same moment may differ by so much. */
const CLOCK_SLACK_MS = 1_000;

export interface HandedOut {
  /** Names the batch and this lease of it. */
  id: string;
  step: number;
  until: number;
  groups: number[];
}

/** Hands out the next batch, forming it if need be; null when there is none. */
export function leaseBatch(state: RunState, trainer: string, leaseMs: number, now: number): HandedOut | null {
  if (!state.run.registration) return null;
  if (!state.run.started) state.patchRun({ started: true });
  if (Math.abs(now - (state.run.trainerSeen ?? 0)) > SEEN_RESOLUTION_MS) state.patchRun({ trainerSeen: now });
  expireLeases(state, now);
  formBatches(state);
  for (const [number, batch] of state.batches) {
    if (batch.lease) continue;
    const step = batch.step ?? state.run.step + 1;
    if (batch.step === null) state.patchRun({ step });
    const leases = batch.leases + 1;
    const until = now + leaseMs;
    state.patchBatch(number, { step, leases, lease: { trainer, until, ms: leaseMs } });
    return { id: `${number}.${leases}`, step, until, groups: batch.groups };
  }
  return null;
}

/**
 * The batch is the trainer's for good; its groups are let go. Repeating it changes nothing.
 * Throws `not_found` for an unknown batch and `conflict` where the lease has passed on.
 */
export function ackBatch(state: RunState, id: string, now: number): "acked" {
  const number = batchNumber(id);
  if (state.keys.get(`ack:${number}`)?.hash === id) return "acked";
  const batch = held(state, id);
  state.patchRun({
    delivered: {
      groups: state.run.delivered.groups + batch.groups.length,
      sequences: state.run.delivered.sequences + batch.sequences,
    },
  });
  for (const group of batch.groups) {
    if (group === state.run.latest) state.patchGroup(group, { state: "kept" });
    else state.put({ table: "group", id: String(group), body: null });
  }
  state.put({ table: "batch", id: String(number), body: null });
  state.put({ table: "key", id: `ack:${number}`, body: { hash: id, answer: null, at: now } });
  return "acked";
}

/** Gives the batch back: it is the next to be handed out. Throws as `ackBatch`, and `conflict` where it was acknowledged. */
export function nackBatch(state: RunState, id: string): "nacked" {
  const batch = held(state, id);
  if (batch.lease) state.patchBatch(batchNumber(id), { lease: null });
  return "nacked";
}

/** What v1 needs to know to take up where an earlier call of the same client, or an earlier process, ended. */
export interface V1Caller {
  client: string;
  /** Names the server process, which alone knows whether it is still sending an answer. */
  process: string;
  /** False where other processes may be sending answers for the same run. */
  alone: boolean;
  ackPrevious: boolean;
}

export function v1Trainer({ client, process }: Pick<V1Caller, "client" | "process">): string {
  return `v1:${client}:${process}`;
}

/** Settles the v1 leases that a call for a batch finds: those sent to the client are its own, those cut short go back. */
export function settleV1Leases(state: RunState, caller: V1Caller, now: number): void {
  for (const [number, { lease, leases }] of [...state.batches]) {
    const [kind, client, process] = lease?.trainer.split(":") ?? [];
    if (!lease || kind !== "v1") continue;
    if (lease.sent && client === caller.client && caller.ackPrevious) ackBatch(state, `${number}.${leases}`, now);
    else if (!lease.sent && process !== caller.process && caller.alone) state.patchBatch(number, { lease: null });
  }
}

/** v1: the answer with the batch has left the server whole. */
export function markSent(state: RunState, id: string, leaseMs: number, now: number): void {
  const { lease } = held(state, id);
  if (lease) state.patchBatch(batchNumber(id), { lease: { ...lease, sent: true, until: now + leaseMs, ms: leaseMs } });
}

/** Takes back batches whose lease ran out; gives how many. */
export function expireLeases(state: RunState, now: number): number {
  let expired = 0;
  for (const [number, { lease }] of [...state.batches]) {
    if (!lease) continue;
    if (lease.until <= now) {
      state.patchBatch(number, { lease: null });
      expired++;
      continue;
    }
    const ms = leaseLength(lease);
    if (isAhead(lease, now)) state.patchBatch(number, { lease: { ...lease, ms, until: now + ms } });
  }
  return expired;
}

/** True where it began in the future: a database's clock was set back. */
function isAhead(lease: Lease, now: number): boolean {
  return lease.until - now > leaseLength(lease) + CLOCK_SLACK_MS;
}

/** In milliseconds. */
export function leaseLength(lease: Lease): number {
  return lease.ms ?? OLD_LEASE_MS;
}

/** False where `leaseBatch` would find nothing and write nothing. */
export function mayLease(state: RunState, now: number): boolean {
  const { registration, started, trainerSeen } = state.run;
  if (!registration) return false;
  if (!started || Math.abs(now - (trainerSeen ?? 0)) > SEEN_RESOLUTION_MS) return true;
  for (const { lease } of state.batches.values()) if (!lease || lease.until <= now || isAhead(lease, now)) return true;
  return registration.batch_size > 0 && nextGroups(state, registration.batch_size) !== null;
}

/** Forms batches while the queue gives whole ones. Groups that grew too old in the queue are set aside first. */
export function formBatches(state: RunState): void {
  const { registration } = state.run;
  if (!registration || registration.batch_size < 1) return;
  // As in protocol v1: what is formed leaves the queue, so no more is formed before that is handed out, or environments
  // would work further and further ahead of the trainer.
  let free = [...state.batches.values()].filter((batch) => !batch.lease).length;
  if (free > 0) return;
  // Groups age while their batch waits: where their age is bounded, a batch is formed when it is asked for.
  const ahead = registration.max_staleness == null ? AHEAD : 1;
  while (free < ahead) {
    const groups = nextGroups(state, registration.batch_size);
    if (!groups) return;
    const stale = groups.filter((group) => whyNot(state, state.groups.get(group.id)!) !== null);
    if (stale.length > 0) {
      setAside(
        state,
        stale.map((group) => group.id),
      );
      continue;
    }
    const batch: BatchRow = {
      groups: groups.map((group) => group.id),
      sequences: registration.batch_size,
      step: null,
      leases: 0,
      lease: null,
    };
    state.put({ table: "batch", id: String(state.run.nextBatch), body: batch });
    state.patchRun({ nextBatch: state.run.nextBatch + 1 });
    free++;
  }
}

/** After the batch size became known: groups that are larger than a batch would block it for ever. */
export function setAsideOversized(state: RunState): void {
  const size = state.run.registration?.batch_size ?? 0;
  if (size < 1 || state.packer.largest <= size) return;
  const large = [...state.groups].filter(([id, group]) => state.packer.has(id) && group.size > size);
  setAside(
    state,
    large.map(([id]) => id),
  );
}

function setAside(state: RunState, ids: readonly number[]): void {
  const reasons = ids.map((id) => whyNot(state, state.groups.get(id)!) ?? "stale");
  ids.forEach((id, index) => {
    state.patchGroup(id, { state: "aside", reason: reasons[index]! });
  });
  countAside(state, reasons);
}

function nextGroups(state: RunState, batchSize: number): QueuedGroup[] | null {
  const minimums = new Map<number, number>();
  for (const [id, env] of [...state.envs].sort(([a], [b]) => a - b)) {
    if (env.connected && env.minAllocation !== null) minimums.set(id, Math.floor(batchSize * env.minAllocation));
  }
  return minimums.size === 0 ? state.packer.batch(batchSize) : state.envPacker.batchWithMinimums(batchSize, minimums);
}

function batchNumber(id: string): number {
  return /^(0|[1-9]\d*)\.[1-9]\d*$/.test(id) ? Number.parseInt(id, 10) : -1;
}

/** Which hand-out of its batch the lease is, from 1. */
function leaseNumber(id: string): number {
  return Number(id.split(".")[1]);
}

function held(state: RunState, id: string): BatchRow {
  const number = batchNumber(id);
  const batch = state.batches.get(number);
  const acked = state.keys.get(`ack:${number}`)?.hash;
  const leases = batch?.leases ?? (acked === undefined ? 0 : leaseNumber(acked));
  // A lease that ran out and that nobody took over is still good.
  if (batch && id === `${number}.${leases}`) return batch;
  if (acked === id) throw new LachesisError("conflict", `Batch ${id} was acknowledged.`);
  if (leaseNumber(id) < leases) throw passedOn(id);
  throw new LachesisError("not_found", `Run "${state.name}" has no batch ${id}.`);
}

function passedOn(id: string): LachesisError {
  return new LachesisError("conflict", `The lease of batch ${id} has passed to someone else.`);
}
