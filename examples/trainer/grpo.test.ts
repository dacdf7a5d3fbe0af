import type { ScoredGroup } from "lachesis/trajectory";
import { describe, expect, it } from "vitest";
import {
  advantagesOf,
  type GrpoOptions,
  lossFlow,
  noLoss,
  type TrainingGroup,
  tokenWeights,
  trainingGroup,
} from "./grpo.ts";

const options: GrpoOptions = { clip: 0.2, clipHigh: 0.3, ratioLimit: 3, lossMean: "token", kl: 0 };

function group(changes: Partial<ScoredGroup> = {}): ScoredGroup {
  return {
    tokens: [
      [4, 5, 6, 7],
      [4, 5, 8, 9],
    ],
    masks: [
      [-100, -100, 6, 7],
      [-100, -100, 8, -100],
    ],
    scores: [1, 0],
    inference_logprobs: [
      [1, 1, -0.5, -0.6],
      [1, 1, -0.7, 1],
    ],
    ...changes,
  };
}

describe("advantages", () => {
  it("are the scores in units of their deviation", () => {
    const [high, low] = advantagesOf([1, 0, 0, 0], null) as [number, number];
    expect(high).toBeCloseTo(Math.sqrt(3), 3);
    expect(low).toBeCloseTo(-1 / Math.sqrt(3), 3);
  });

  it("count a rollout of several sequences once", () => {
    expect(advantagesOf([1, 1, 1, 0], ["a", "a", "a", "b"])[3]).toBeCloseTo(-1, 3);
  });
});

describe("a group for training", () => {
  const made = (changes: Partial<ScoredGroup>, maxTokens = 100) => trainingGroup(group(changes), maxTokens);
  const sequences = (value: ReturnType<typeof trainingGroup>) => (value as TrainingGroup).sequences;

  it("takes masked-in tokens with their log-probabilities", () => {
    const [first, second] = sequences(made({}));
    expect(first).toMatchObject({ trained: [2, 3], inferenceLogprobs: [-0.5, -0.6] });
    expect(second).toMatchObject({ trained: [2], inferenceLogprobs: [-0.7] });
    expect(first!.advantages[0]).toBeCloseTo(1, 3);
  });

  it("does without what is null", () => {
    const nothing = { advantages: null, inference_logprobs: null, overrides: null, rollout_ids: null };
    expect(sequences(made(nothing))[0]).toMatchObject({ trained: [2, 3], inferenceLogprobs: null });
  });

  it("uses advantages that are given, also where all scores are equal", () => {
    const advantages = [[0, 0, 2, 0], []];
    expect(sequences(made({ scores: [1, 1], advantages }))).toMatchObject([{ trained: [2], advantages: [2] }]);
  });

  it("leaves out what gives no gradient, and says why", () => {
    expect(made({ scores: [1, 1] })).toBe("equal_scores");
    expect(made({}, 3)).toBe("too_long");
    expect(made({ masks: [Array(4).fill(-100), Array(4).fill(-100)] })).toBe("nothing_trained");
    expect(sequences(made({ overrides: [{ set_advantage_to_zero: true }, {}] }))).toHaveLength(1);
  });
});

describe("the loss", () => {
  const sequence = {
    tokens: [],
    trained: [1, 2, 3, 4, 5],
    advantages: [2, -1, 1, -1, -2],
    inferenceLogprobs: [-1, -1, -1, -1, -3],
  };
  const loss = (logprobs: number[], kl: number) => {
    const sums = noLoss();
    const flow = lossFlow(Float64Array.from(logprobs), sequence, 0.25, { ...options, kl }, sums);
    return { sums, flow };
  };

  it.each([0, 0.3])("has the derivative that it gives, kl %s", (kl) => {
    const at = [-1.05, -0.9, -0.6, -1.4, -0.5];
    const { flow, sums } = loss(at, kl);
    at.forEach((value, index) => {
      const moved = (by: number) => loss(at.with(index, value + by), kl).sums.loss;
      expect(flow[index]).toBeCloseTo((moved(1e-6) - moved(-1e-6)) / 2e-6, 6);
    });
    // The third is pushed beyond 1.3, the fourth below 0.8, the fifth against a ratio of 12.
    expect(sums.clipped).toBe(3);
  });

  it("has the ratio 1 where there are no log-probabilities", () => {
    const sums = noLoss();
    const flow = lossFlow(
      Float64Array.of(-3),
      { ...sequence, advantages: [2], inferenceLogprobs: null },
      1,
      options,
      sums,
    );
    expect(flow[0]).toBe(-2);
    expect(sums.divergence).toBe(0);
  });

  it("weighs tokens or sequences the same", () => {
    const of = (trained: number[]) => ({ tokens: [], trained, advantages: [], inferenceLogprobs: null });
    const groups = [{ sequences: [of([1, 2, 3]), of([1])] }];
    expect(tokenWeights(groups, "token")).toEqual([[0.25, 0.25]]);
    expect(tokenWeights(groups, "sequence")).toEqual([[1 / 6, 1 / 2]]);
  });
});
