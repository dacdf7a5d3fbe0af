import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Bpe } from "./bpe.ts";
import { Vocabulary } from "./model.ts";

const MERGES: [string, string][] = [
  ["a", "b"],
  ["b", "a"],
  ["a", "a"],
  ["ab", "a"],
  ["aa", "aa"],
  ["b", "ab"],
  ["aba", "ab"],
  ["c", "c"],
  ["cc", "ab"],
];
const tokens = ["a", "b", "c", "<unk>", ...MERGES.map(([left, right]) => left + right)];
const vocabulary = new Vocabulary(new Map([...new Set(tokens)].map((token, id) => [token, id])));
const model = (fuseUnk = true): Bpe =>
  new Bpe(vocabulary, MERGES, {
    unkToken: "<unk>",
    continuingPrefix: "",
    endSuffix: "",
    fuseUnk,
    byteFallback: false,
    ignoreMerges: false,
  });

/** The definition, word for word: the pair of lowest rank, the leftmost of equals, until there is none. */
function byDefinition(text: string): string[] {
  const parts = [...text];
  for (;;) {
    let best = -1;
    let rank = MERGES.length;
    for (let i = 0; i + 1 < parts.length; i++) {
      const found = MERGES.findIndex(([left, right]) => left === parts[i] && right === parts[i + 1]);
      if (found >= 0 && found < rank) {
        rank = found;
        best = i;
      }
    }
    if (best < 0) return parts;
    parts.splice(best, 2, parts[best]! + parts[best + 1]!);
  }
}

describe("merging", () => {
  test("is the definition's for short and long words", () => {
    const word = fc.array(fc.constantFrom("a", "b", "c"), { minLength: 1, maxLength: 120 });
    fc.assert(
      fc.property(word, (letters) => {
        const text = letters.join("");
        expect(
          model()
            .tokenize(text)
            .map((id) => vocabulary.token(id)),
        ).toEqual(byDefinition(text));
      }),
      { numRuns: 300 },
    );
  });

  test("of a hundred thousand equal letters ends", () => {
    const ids = model().tokenize("a".repeat(100_000));
    expect(ids.map((id) => vocabulary.token(id)!).join("").length).toBe(100_000);
    expect(ids.length).toBe(25_000);
  });

  test("unknown characters are one token or several", () => {
    const names = (bpe: Bpe): (string | undefined)[] => bpe.tokenize("axyb").map((id) => vocabulary.token(id));
    expect(names(model(true))).toEqual(["a", "<unk>", "b"]);
    expect(names(model(false))).toEqual(["a", "<unk>", "<unk>", "b"]);
  });
});
