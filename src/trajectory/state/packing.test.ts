import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Packer, type QueuedGroup } from "./packing.ts";
import { exactSubset } from "./subset.ts";

/** The rule of protocol v1, by walking the whole queue. */
function walkedBatch(queue: readonly QueuedGroup[], batchSize: number): QueuedGroup[] | null {
  const largest = Math.max(0, ...queue.map((group) => group.size));
  const eligible: QueuedGroup[] = [];
  const gathering = new Map<number, QueuedGroup[]>();
  for (const group of queue) {
    const pack = [...(gathering.get(group.size) ?? []), group];
    const complete = pack.length * group.size === largest;
    gathering.set(group.size, complete ? [] : pack);
    if (complete) eligible.push(...pack);
  }
  const taken: QueuedGroup[] = [];
  let total = 0;
  for (const group of eligible) {
    taken.push(group);
    total += group.size;
    if (total >= batchSize) return total === batchSize ? taken : null;
  }
  return null;
}

function walkedWithMinimums(
  queue: readonly QueuedGroup[],
  batchSize: number,
  minimums: ReadonlyMap<number, number>,
): QueuedGroup[] | null {
  const largest = Math.max(0, ...queue.map((group) => group.size));
  const eligible = new Map<number, QueuedGroup[]>();
  const gathering = new Map<string, QueuedGroup[]>();
  for (const group of queue) {
    if (group.env === null) continue;
    const key = `${group.env}:${group.size}`;
    const pack = [...(gathering.get(key) ?? []), group];
    const complete = pack.length * group.size === largest;
    gathering.set(key, complete ? [] : pack);
    if (complete) eligible.set(group.env, [...(eligible.get(group.env) ?? []), ...pack]);
  }
  let due = [...minimums].filter(([, minimum]) => minimum > 0);
  if (due.some(([env]) => !eligible.get(env)?.length)) return null;
  const sum = due.reduce((total, [, minimum]) => total + minimum, 0);
  if (sum > batchSize) {
    due = due.map(([env, minimum]) => {
      const smallest = Math.min(...eligible.get(env)!.map((group) => group.size));
      return [env, Math.max(smallest, Math.floor((minimum * batchSize) / sum))];
    });
  }
  const taken: QueuedGroup[] = [];
  let total = 0;
  const take = (group: QueuedGroup) => {
    taken.push(group);
    total += group.size;
  };
  for (const [env, minimum] of due) {
    let share = 0;
    for (const group of eligible.get(env)!) {
      if (share >= minimum) break;
      if (total + group.size > batchSize) continue;
      take(group);
      share += group.size;
    }
  }
  const packable = new Set([...eligible.values()].flat());
  for (const group of queue) {
    if (total < batchSize && packable.has(group) && !taken.includes(group) && total + group.size <= batchSize)
      take(group);
  }
  return total === batchSize ? taken : null;
}

const sizes = fc.constantFrom(1, 2, 3, 4, 8);
const arrivals = fc.array(fc.record({ size: sizes, env: fc.constantFrom(null, 0, 1, 2) }), { maxLength: 60 });
const batchSizes = fc.constantFrom(4, 8, 12, 16);

describe("Packer", () => {
  it("forms the batches that a walk over the whole queue forms", () => {
    fc.assert(
      fc.property(arrivals, batchSizes, fc.array(fc.nat(9)), (groups, batchSize, when) => {
        const packer = new Packer({ perEnv: false });
        let queue: QueuedGroup[] = [];
        groups.forEach((facts, id) => {
          packer.add({ id, place: id, ...facts });
          queue.push({ id, place: id, ...facts });
          if (!when.includes(id % 10)) return;
          const expected = walkedBatch(queue, batchSize);
          expect(packer.batch(batchSize)).toEqual(expected);
          if (!expected) return;
          packer.remove(expected.map((group) => group.id));
          queue = queue.filter((group) => !expected.some((member) => member.id === group.id));
          expect(packer.size).toBe(queue.length);
        });
      }),
      { numRuns: 500 },
    );
  });

  it("forms them with minimum shares, too", () => {
    const shares = fc.dictionary(fc.constantFrom("0", "1", "2"), fc.integer({ min: 0, max: 12 }));
    fc.assert(
      fc.property(arrivals, batchSizes, shares, (groups, batchSize, byEnv) => {
        const minimums = new Map(Object.entries(byEnv).map(([env, minimum]) => [Number(env), minimum]));
        const packer = new Packer({ perEnv: true });
        let queue: QueuedGroup[] = groups.map((facts, id) => ({ id, place: id, ...facts }));
        for (const group of queue) packer.add(group);
        for (;;) {
          const expected = walkedWithMinimums(queue, batchSize, minimums);
          const batch = packer.batchWithMinimums(batchSize, minimums);
          expect(batch?.map((group) => group.id) ?? null).toEqual(expected?.map((group) => group.id) ?? null);
          if (!expected) return;
          packer.remove(expected.map((group) => group.id));
          queue = queue.filter((group) => !expected.includes(group));
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe("exactSubset", () => {
  it("finds a subset exactly where there is one", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 10 }),
        fc.integer({ min: 1, max: 20 }),
        (values, target) => {
          const sums = new Set([0]);
          for (const value of values) for (const sum of [...sums]) sums.add(sum + value);
          const places = exactSubset(values, target);
          expect(places !== null).toBe(sums.has(target));
          if (places) {
            expect(new Set(places).size).toBe(places.length);
            expect(places.reduce((sum, place) => sum + values[place]!, 0)).toBe(target);
            expect([...places].sort((a, b) => a - b)).toEqual(places);
          }
        },
      ),
      { numRuns: 500 },
    );
  });
});
