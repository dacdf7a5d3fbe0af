/**
 * How much an environment works, from what the trajectory API says: enough to keep the trainer fed, not so much that
 * what it makes is sampled by weights that are too old, and no more than its share where other environments feed the
 * same trainer. Pure arithmetic over protocol v1's numbers.
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

/** What the environment knows beside the API's status. */
export interface OwnState {
  /** Finished groups that the status does not count yet. */
  waiting: number;
  /** Seconds since the trainer last took a step. */
  idleSeconds: number;
  /** Nobody has asked for a batch for a long time. */
  trainerGone: boolean;
}

/** After so many seconds without a step, a trainer that lacks a whole batch gets more than this environment's share. */
export const PATIENCE_S = 5;

/** Groups that may be in flight now. */
export function workersFor(settings: PlanSettings, status: EnvStatus, own: OwnState): number {
  const { groupSize, batchSize, maxWorkers, minBatchAllocation } = settings;
  if (batchSize < 1) return 0;
  // Whoever comes back finds a batch; more would grow old for nobody.
  if (own.trainerGone && (status.queue_size + own.waiting) * groupSize >= batchSize) return 0;
  // 0 batches would never feed anybody: strictly on-policy work needs the batch that is being made.
  const bound = Math.floor((Math.max(1, settings.maxBatchesOffpolicy) * batchSize) / groupSize);
  const room = bound - status.queue_size - own.waiting;
  const share = shareOf(settings, status) * bound + extra(settings, status, own);
  const withinShare = Math.max(1, Math.floor(share)) - status.self_queue_size - own.waiting;
  // Its own minimum must be there even where other environments fill the queue.
  const minimum = minBatchAllocation === null ? 0 : Math.ceil((batchSize * minBatchAllocation) / groupSize);
  const missing = minimum - status.self_queue_size - own.waiting;
  return Math.max(0, Math.min(maxWorkers, Math.max(Math.min(room, withinShare), missing)));
}

/** The environment's minimum, and its weight's part of what no minimum claims. All environments' shares add up to 1. */
function shareOf({ minBatchAllocation }: PlanSettings, { env_weight, unallocated_fraction }: EnvStatus): number {
  return (minBatchAllocation ?? 0) + env_weight * unallocated_fraction;
}

/** Groups beyond the share: one more for each second that the trainer waits for others, who may be slow or gone. */
function extra({ groupSize, batchSize }: PlanSettings, status: EnvStatus, { idleSeconds }: OwnState): number {
  const starving = status.queue_size * groupSize < batchSize;
  return starving ? Math.max(0, Math.floor(idleSeconds - PATIENCE_S)) : 0;
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
