import { describe, expect, it } from "vitest";
import { rewardBar, rewardSvg, rewardText, verdictOf } from "./reward-plot.ts";

const points = Array.from({ length: 30 }, (_, index) => ({ step: index + 1, mean_reward: index / 29 }));

describe("the reward plot", () => {
  it("has a mark for every step, from bottom left to top right", () => {
    const lines = rewardText(points, 30);
    expect(lines.join("").split("●").length - 1).toBe(30);
    expect(lines[0]).toMatch(/^1\.0 │ +.*●$/);
    expect(lines[10]).toMatch(/^0\.0 │●/);
    expect(lines.at(-1)).toMatch(/ 10 +20 +30$/);
  });

  it("stands what lies outside", () => {
    const odd = [
      { step: 1, mean_reward: -2 },
      { step: 9, mean_reward: 7 },
    ];
    expect(rewardText(odd, 2)).toHaveLength(13);
    expect(rewardText([], 30)[0]).toBe("1.0 │");
  });

  it("is a bar by step where there is no terminal", () => {
    expect([-1, 0, 0.5, 1, 7].map((reward) => rewardBar(reward).split("█").length - 1)).toEqual([0, 0, 12, 24, 24]);
    expect(new Set([0, 0.3, 1].map((reward) => rewardBar(reward).length)).size).toBe(1);
  });

  it("is an SVG with the same points", () => {
    const svg = rewardSvg(points, 30, "a < b & c");
    expect(svg.match(/<circle/g)).toHaveLength(30);
    expect(svg).toContain("a &#60; b &#38; c");
    expect(svg).not.toMatch(/NaN|http:\/\/(?!www\.w3)/);
  });
});

describe("the verdict", () => {
  it("compares the last ten steps with the first ten", () => {
    const verdict = verdictOf(points, 0.15)!;
    expect(verdict.difference).toBeCloseTo(20 / 29, 10);
    expect(verdict.learned).toBe(true);
    expect(verdictOf(points, 0.7)!.learned).toBe(false);
    expect(verdictOf(points.slice(0, 19), 0.15)).toBeNull();
  });
});
