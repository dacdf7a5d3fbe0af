import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { clusteredMean, meanOverItems, passAtK, passPowerK, rateInterval } from "./statistics.ts";

/** All ways of drawing k of n attempts, the first c of which passed. */
function* draws(n: number, k: number, from = 0): Generator<number[]> {
  if (k === 0) {
    yield [];
    return;
  }
  for (let first = from; first <= n - k; first++) {
    for (const rest of draws(n, k - 1, first + 1)) yield [first, ...rest];
  }
}

const counts = fc
  .tuple(fc.integer({ min: 1, max: 8 }), fc.nat(8), fc.integer({ min: 1, max: 8 }))
  .map(([n, c, k]) => ({ n, c: Math.min(c, n), k: Math.min(k, n) }));

describe("pass@k and pass^k", () => {
  test("are the shares of all draws of k attempts", () => {
    fc.assert(
      fc.property(counts, ({ n, c, k }) => {
        const all = [...draws(n, k)];
        const any = all.filter((draw) => draw.some((attempt) => attempt < c)).length / all.length;
        const every = all.filter((draw) => draw.every((attempt) => attempt < c)).length / all.length;
        expect(passAtK(n, c, k)).toBeCloseTo(any, 12);
        expect(passPowerK(n, c, k)).toBeCloseTo(every, 12);
      }),
    );
  });

  test("say nothing with fewer attempts than k", () => {
    expect(passAtK(2, 1, 3)).toBeNull();
    expect(passPowerK(0, 0, 1)).toBeNull();
  });

  test("stay in 0..1 with many attempts", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5000 }), fc.double({ min: 0, max: 1, noNaN: true }), (n, share) => {
        const c = Math.round(n * share);
        for (const value of [passAtK(n, c, Math.ceil(n / 2)), passPowerK(n, c, Math.ceil(n / 2))]) {
          expect(value).toBeGreaterThanOrEqual(0);
          expect(value).toBeLessThanOrEqual(1);
        }
      }),
    );
  });
});

describe("clusteredMean", () => {
  test("is the usual standard error with one value per item", () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: -5, max: 5, noNaN: true }), { minLength: 2, maxLength: 40 }), (values) => {
        const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
        const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1);
        const estimate = clusteredMean(values.map((value) => [value]));
        expect(estimate.mean).toBeCloseTo(mean, 9);
        expect(estimate.stderr).toBeCloseTo(Math.sqrt(variance / values.length), 9);
      }),
    );
  });

  test("does not shrink when every attempt is made twice with the same result", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(0, 1), { minLength: 2, maxLength: 30 }), (values) => {
        const once = clusteredMean(values.map((value) => [value]));
        const twice = clusteredMean(values.map((value) => [value, value]));
        expect(twice.mean).toBeCloseTo(once.mean!, 12);
        expect(twice.stderr).toBeCloseTo(once.stderr!, 12);
      }),
    );
  });

  test("gives null where there is nothing to estimate from", () => {
    expect(clusteredMean([])).toEqual({ mean: null, stderr: null, n: 0 });
    expect(clusteredMean([[], []])).toEqual({ mean: null, stderr: null, n: 0 });
    expect(clusteredMean([[1, 0]])).toEqual({ mean: 0.5, stderr: null, n: 2 });
    expect(meanOverItems([null, 1]).mean).toBe(1);
  });
});

test("the interval of a rate holds the rate and narrows with more items", () => {
  const few = clusteredMean(Array.from({ length: 20 }, (_, index) => [index < 19 ? 1 : 0]));
  const many = clusteredMean(Array.from({ length: 2000 }, (_, index) => [index < 1900 ? 1 : 0]));
  const [low, high] = rateInterval(few)!;
  const [closeLow, closeHigh] = rateInterval(many)!;
  expect(low).toBeLessThan(0.95);
  expect(high).toBeGreaterThan(0.95);
  expect(closeHigh - closeLow).toBeLessThan((high - low) / 5);
  expect(rateInterval(clusteredMean(Array.from({ length: 10 }, () => [1])))![1]).toBeCloseTo(1);
  expect(rateInterval(clusteredMean([]))).toBeNull();
});
