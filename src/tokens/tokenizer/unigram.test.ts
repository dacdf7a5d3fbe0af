import { describe, expect, test } from "vitest";
import { asCrateReads, Unigram } from "./unigram.ts";

describe("Unigram", () => {
  test("scores of 17 digits are read as the crate's JSON reader reads them", () => {
    expect(asCrateReads(-2.5)).toBe(-2.5);
    expect(asCrateReads(-12.611510276794434)).toBe(-12611510276794434 / 1e15);
    // 13506744384765625 has no double: it is rounded before it is divided.
    expect(asCrateReads(-13.506744384765625)).toBe(-(13506744384765624 / 1e15));
    expect(asCrateReads(1e-7)).toBe(1e-7);
  });

  test("of paths with equal scores the one that was found first stays", () => {
    const model = new Unigram(
      [
        ["<unk>", 0],
        ["a", -1],
        ["aa", -2],
        ["b", -1],
      ],
      0,
      false,
    );
    expect(model.tokenize("aab")).toEqual([2, 3]);
    expect(model.tokenize("xyab")).toEqual([0, 1, 3]);
  });
});
