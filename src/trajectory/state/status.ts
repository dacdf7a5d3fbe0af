/** What environments and people ask of a run. Every answer costs O(environments), whatever the queue holds. */
import { LachesisError } from "../../core/index.ts";
import type { EnvStatus } from "../contract.ts";
import type { RunState } from "./run-state.ts";

export function runStatus(state: RunState): { current_step: number; queue_size: number } {
  return state.run.registration
    ? { current_step: state.run.step, queue_size: state.packer.size }
    : { current_step: 0, queue_size: 0 };
}

/** Raises the env's group size to its largest queued group, as v1 does when it is asked for its status. */
export function raiseGroupSize(state: RunState, id: number): void {
  if (raisesGroupSize(state, id)) state.patchEnv(id, { groupSize: state.envPacker.largestOf(id) });
}

/** True where `raiseGroupSize` would write. */
export function raisesGroupSize(state: RunState, id: number): boolean {
  const env = state.envs.get(id);
  return env !== undefined && env.groupSize < state.envPacker.largestOf(id);
}

const raisedSize = (state: RunState, id: number, size: number) => Math.max(size, state.envPacker.largestOf(id));

/** The arithmetic of protocol v1, on the raised group size. Throws `not_found`. */
export function envStatus(state: RunState, id: number): EnvStatus {
  const env = state.envs.get(id);
  if (!env) throw new LachesisError("not_found", `Run "${state.name}" has no environment with env_id ${id}.`);
  const raised = raisedSize(state, id, env.groupSize);
  const batchSize = state.run.registration?.batch_size ?? 0;
  const largest = Math.max(1, state.packer.largest);
  const own = state.queuedSequences.get(id) ?? 0;
  let sequences = own;
  let weights = 0;
  let allocated = 0;
  for (const [other, row] of state.envs) {
    if (row.connected) {
      weights += row.maxTokenLength * Math.max(0, row.weight);
      allocated += row.minAllocation ?? 0;
    }
    if (other !== id)
      sequences += surplus(state.queuedSequences.get(other) ?? 0, row.connected ? row.minAllocation : null);
  }
  // Groups of no env, and of ids that were never registered, are in everybody's way alike.
  for (const [other, queued] of state.queuedSequences) {
    if (other === null || !state.envs.has(other)) sequences += surplus(queued, null);
  }

  function surplus(queued: number, minimum: number | null): number {
    // Protocol v1 counts what others have queued in packs only: none where every group is one sequence.
    if (largest === 1) return 0;
    return Math.max(0, Math.ceil(queued / largest) * largest - Math.floor(batchSize * (minimum ?? 0)));
  }

  return {
    current_step: state.run.step,
    queue_size: Math.floor(sequences / raised),
    unallocated_fraction: 1 - Math.min(1, allocated),
    self_queue_size: Math.floor(own / raised),
    max_group_size: largest,
    env_weight: Math.max(0.01, weights > 0 ? (env.maxTokenLength * env.weight) / weights : 0),
  };
}

export function describeRun(state: RunState) {
  const { registration, step, delivered, aside, started, trainers, trainerSeen } = state.run;
  const waiting = state.packer.waitingSizes();
  const unpackable = [...waiting.values()].reduce((sum, count) => sum + count, 0);
  return {
    run: state.name,
    registration,
    started,
    step,
    counts: {
      queued_groups: state.packer.size,
      buffered_groups: [...state.buffers.values()].reduce((sum, buffer) => sum + buffer.groups, 0),
      formed_batches: [...state.batches.values()].filter((batch) => !batch.lease).length,
      leased_batches: [...state.batches.values()].filter((batch) => batch.lease).length,
      waiting_bytes: state.waitingBytes,
      delivered_groups: delivered.groups,
      delivered_sequences: delivered.sequences,
    },
    /** Groups that were set aside, by reason; `not_packable`: queued ones that wait until larger groups are gone. */
    filtered: { ...aside, ...(unpackable > 0 && { not_packable: unpackable }) },
    /** Sizes of queued groups that wait until larger ones are gone. */
    waiting_sizes: [...waiting.keys()],
    staleness: stalenessOf(state),
    trainers,
    trainer_last_seen: trainerSeen === undefined ? null : new Date(trainerSeen).toISOString(),
    envs: [...state.envs].map(([id, env]) => ({
      env_id: id,
      name: env.wandbName,
      weight: env.weight,
      group_size: env.groupSize,
      min_batch_allocation: env.minAllocation,
      connected: env.connected,
      last_seen: new Date(env.lastSeen).toISOString(),
      queued_sequences: state.queuedSequences.get(id) ?? 0,
    })),
  };
}

/** The newest groups that were set aside, for people who want to know why. */
export function listAside(state: RunState, most: number) {
  return [...state.aside].slice(-most).map((id) => {
    const { env, size, bytes, reason, weights, at } = state.groups.get(id)!;
    return {
      group: id,
      env_id: env,
      sequences: size,
      bytes,
      reason,
      weight_versions: weights,
      at: new Date(at).toISOString(),
    };
  });
}

/** How many steps the oldest weights behind the groups of leased and formed batches lag; null where none say. */
function stalenessOf(state: RunState): { max: number | null; max_allowed: number | null } {
  let max: number | null = null;
  for (const batch of state.batches.values()) {
    for (const id of batch.groups) {
      const weights = state.groups.get(id)?.weights;
      if (weights) max = Math.max(max ?? 0, state.run.step - weights[0]);
    }
  }
  return { max, max_allowed: state.run.registration?.max_staleness ?? null };
}
