import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { logSumExp, Sampler, type SamplerOptions, topLogprobs } from "./sampler.ts";

const logits = Float64Array.of(2, 1, 0.5, -1, 2.2);
const plain: SamplerOptions = { temperature: 1, topP: 1, topK: 0, minP: 0, seed: 1 };
const draws = (options: Partial<SamplerOptions>, count = 4000) => {
  const sampler = new Sampler({ ...plain, ...options });
  return Array.from({ length: count }, () => sampler.next(logits));
};

describe("Sampler", () => {
  it("draws as often as the distribution says, and the same for the same seed", () => {
    const sampled = draws({});
    expect(draws({})).toEqual(sampled);
    expect(draws({ seed: 2 })).not.toEqual(sampled);
    for (const token of logits.keys()) {
      const share = sampled.filter((sample) => sample.token === token).length / sampled.length;
      expect(share).toBeCloseTo(Math.exp(logits[token]! - logSumExp(logits, 1)), 1);
    }
  });

  it("takes the likeliest at temperature 0, the lowest id among equals", () => {
    expect(new Set(draws({ temperature: 0 }, 20).map((sample) => sample.token))).toEqual(new Set([4]));
    expect(new Sampler({ ...plain, temperature: 0 }).next(Float64Array.of(1, 3, 3)).token).toBe(1);
  });

  it.each([
    ["top_k", { topK: 2 }, [4, 0]],
    ["top_p", { topP: 0.5 }, [4, 0]],
    ["a top_p below the likeliest's share", { topP: 1e-9 }, [4]],
    ["min_p", { minP: 0.3 }, [4, 0, 1]],
    ["top_k before top_p", { topK: 3, topP: 0.99 }, [4, 0, 1]],
  ])("cuts by %s", (_name, options, kept) => {
    expect(new Set(draws(options).map((sample) => sample.token))).toEqual(new Set(kept));
  });

  it("gives the untempered log-probability whatever chose the token, and the tempered one beside it", () => {
    for (const { token, logprob, tempered } of draws({ temperature: 0.5, topK: 3 }, 50)) {
      expect(logprob).toBeCloseTo(logits[token]! - logSumExp(logits, 1), 12);
      expect(tempered).toBeCloseTo(2 * logits[token]! - logSumExp(logits, 0.5), 12);
    }
  });

  it("gives log-probabilities of a distribution that sums to one, even for huge logits", () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: -1e4, max: 1e4, noNaN: true }), { minLength: 2, maxLength: 20 }),
        (values) => {
          const { logprobs } = topLogprobs(Float64Array.from(values), values.length);
          expect(logprobs.reduce((sum, value) => sum + Math.exp(value), 0)).toBeCloseTo(1, 9);
          expect([...logprobs].sort((a, b) => b - a)).toEqual(logprobs);
          const { token, logprob } = new Sampler({ ...plain, minP: 0.2 }).next(Float64Array.from(values));
          expect(values[token]).toBeDefined();
          expect(logprob).toBeGreaterThan(-Infinity);
        },
      ),
    );
  });
});
