import fc from "fast-check";
import { expect, test } from "vitest";
import type { EnvStatus } from "../../trajectory/index.ts";
import { crossed, isEnough, type PlanSettings, workersFor } from "./plan.ts";

const settings: PlanSettings = {
  groupSize: 4,
  batchSize: 32,
  maxWorkers: 100,
  maxBatchesOffpolicy: 3,
  minBatchAllocation: null,
  totalSteps: 10,
};
const alone: EnvStatus = {
  current_step: 0,
  queue_size: 0,
  unallocated_fraction: 1,
  self_queue_size: 0,
  max_group_size: 4,
  env_weight: 1,
};
const own = { waiting: 0, idleSeconds: 0, trainerGone: false };

test("alone, an environment fills the off-policy limit and no more", () => {
  expect(workersFor(settings, alone, own)).toBe(24);
  expect(workersFor(settings, { ...alone, queue_size: 20, self_queue_size: 20 }, { ...own, waiting: 3 })).toBe(1);
  expect(workersFor(settings, { ...alone, queue_size: 24, self_queue_size: 24 }, own)).toBe(0);
  expect(workersFor({ ...settings, maxWorkers: 5 }, alone, own)).toBe(5);
  expect(workersFor({ ...settings, maxBatchesOffpolicy: 0 }, alone, own)).toBe(8);
  expect(workersFor({ ...settings, batchSize: -1 }, alone, own)).toBe(0);
});

test("beside others it takes its share, and more only while the trainer waits for them", () => {
  const quarter = { ...alone, env_weight: 0.25 };
  expect(workersFor(settings, quarter, own)).toBe(6);
  expect(workersFor(settings, { ...quarter, queue_size: 6, self_queue_size: 6 }, own)).toBe(0);
  const starving = { ...quarter, queue_size: 6, self_queue_size: 6 };
  expect(workersFor(settings, starving, { ...own, idleSeconds: 8 })).toBe(3);
  expect(workersFor(settings, { ...starving, queue_size: 20 }, { ...own, idleSeconds: 800 })).toBe(0);
});

test("its minimum is made even where others fill the queue", () => {
  const minimum = { ...settings, minBatchAllocation: 0.5 };
  const full = { ...alone, queue_size: 24, unallocated_fraction: 0.5 };
  expect(workersFor(minimum, full, own)).toBe(4);
  expect(workersFor(minimum, { ...full, self_queue_size: 4 }, own)).toBe(0);
});

test("for a trainer that is gone one batch is made ready, and no more", () => {
  const gone = { ...own, trainerGone: true };
  expect(workersFor(settings, { ...alone, queue_size: 7, self_queue_size: 7 }, gone)).toBe(17);
  expect(workersFor(settings, { ...alone, queue_size: 8, self_queue_size: 8 }, gone)).toBe(0);
  expect(workersFor(settings, { ...alone, queue_size: 6, self_queue_size: 6 }, { ...gone, waiting: 2 })).toBe(0);
  expect(workersFor({ ...settings, minBatchAllocation: 0.5 }, { ...alone, queue_size: 8 }, gone)).toBe(0);
});

test("never negative, never above the limits", () => {
  const status = fc.record({
    current_step: fc.nat(100),
    queue_size: fc.nat(1000),
    unallocated_fraction: fc.double({ min: 0, max: 1, noNaN: true }),
    self_queue_size: fc.nat(1000),
    max_group_size: fc.nat(64),
    env_weight: fc.double({ min: 0.01, max: 1, noNaN: true }),
  });
  fc.assert(
    fc.property(status, fc.nat(50), fc.double({ min: 0, max: 1e6, noNaN: true }), (now, waiting, idleSeconds) => {
      const workers = workersFor(settings, now, { waiting, idleSeconds, trainerGone: false });
      expect(workers).toBeGreaterThanOrEqual(0);
      expect(workers + now.queue_size + waiting).toBeLessThanOrEqual(Math.max(24, now.queue_size + waiting));
      expect(Number.isInteger(workers)).toBe(true);
    }),
  );
});

test("the end and the crossings", () => {
  expect(isEnough(settings, { ...alone, current_step: 9, queue_size: 8 })).toBe(false);
  expect(isEnough(settings, { ...alone, current_step: 9, queue_size: 16 })).toBe(true);
  expect([crossed(0, 1, 2), crossed(1, 2, 2), crossed(1, 7, 2), crossed(4, 5, 0), crossed(9, 3, 2)]).toEqual([
    null,
    2,
    6,
    null,
    null,
  ]);
});
