/**
 * How much an environment works, from what the trajectory API says: enough to keep the trainer fed, not so much that
 * what it makes is sampled by weights that are too old. Pure arithmetic over protocol v1's numbers.
 */
import type { EnvStatus } from "../../trajectory/index.ts";

export interface PlanSettings {
  groupSize: number;
  /** Sequences per training step. */
  batchSize: number;
  /** Groups in flight at most. */
  maxWorkers: number;
  /** Batches that may wait for the trainer. */
  maxBatchesOffpolicy: number;
  /** Share of each batch that this environment must fill; null is none. */
  minBatchAllocation: number | null;
  /** Training steps after which there is nothing left to do. */
  totalSteps: number;
}

/** Groups that may be in flight now. `waiting` are finished groups that the API has not taken yet. */
export function workersFor(settings: PlanSettings, status: EnvStatus, waiting: number): number {
  const { groupSize, batchSize, maxWorkers, maxBatchesOffpolicy, minBatchAllocation } = settings;
  if (batchSize < 1) return 0;
  const room = Math.floor((maxBatchesOffpolicy * batchSize) / groupSize) - status.queue_size - waiting;
  // Its own share must be there even where other environments fill the queue.
  const share = minBatchAllocation === null ? 0 : Math.ceil((batchSize * minBatchAllocation) / groupSize);
  const missing = share - status.self_queue_size - waiting;
  return Math.max(0, Math.min(maxWorkers, Math.max(room, missing)));
}

/** True once what is queued is enough for all steps that are left. */
export function isEnough(settings: PlanSettings, status: EnvStatus): boolean {
  const { groupSize, batchSize, totalSteps } = settings;
  return status.current_step + Math.floor((status.queue_size * groupSize) / Math.max(1, batchSize)) > totalSteps;
}

/** The multiples of `interval` that a step from `before` to `now` crossed; the last one, or null. */
export function crossed(before: number, now: number, interval: number): number | null {
  if (interval <= 0) return null;
  const last = Math.floor(now / interval) * interval;
  return last > before ? last : null;
}
