import fc from "fast-check";
import { expect, it } from "vitest";
import { epochs, seededOrder, trainEvalSplit } from "./order.ts";

it("splits without overlap, by content, the same for the same seed", () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 20 }), { minLength: 2 }),
      fc.nat(10),
      fc.nat(),
      (values, size, seed) => {
        const rows = values.map((value) => ({ value }));
        fc.pre(new Set(values).size > 1);
        let split: ReturnType<typeof trainEvalSplit<{ value: number }>>;
        try {
          split = trainEvalSplit(rows, size, seed);
        } catch (error) {
          expect(error).toMatchObject({ code: "config_invalid" });
          return;
        }
        const train = new Set(split.train.map(({ value }) => value));
        expect(split.eval.some(({ value }) => train.has(value))).toBe(false);
        expect(split.train.length + split.eval.length).toBe(rows.length);
        expect(split.eval.length).toBeGreaterThanOrEqual(size);
        expect(trainEvalSplit(rows, size, seed)).toEqual(split);
      },
    ),
  );
});

it("orders by seed and epoch, and goes round", () => {
  const rows = Array.from({ length: 50 }, (_, index) => index);
  expect(seededOrder(rows, 1)).toEqual(seededOrder(rows, 1));
  expect(seededOrder(rows, 1)).not.toEqual(seededOrder(rows, 2));
  const stream = epochs(rows, 1);
  const two = [0, 1].map(() => rows.map(() => stream.next().value));
  expect(two[0]).toEqual(seededOrder(rows, 1, 0));
  expect(two[1]).toEqual(seededOrder(rows, 1, 1));
  expect([...(two[0] as number[])].sort((a, b) => a - b)).toEqual(rows);
  expect(epochs([], 1).next().done).toBe(true);
});
