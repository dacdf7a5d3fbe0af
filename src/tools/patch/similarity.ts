/**
 * How alike two lines are: the Ratcliff–Obershelp ratio (twice the characters in common, in order, over all characters),
 * between 0 and 1. The cost of one comparison and of all comparisons of a search is bounded.
 */

const LONGEST = 200;

/** A budget of comparisons; what exceeds it counts as unlike. */
export class Similarity {
  #left: number;

  constructor(comparisons: number) {
    this.#left = comparisons;
  }

  /** The ratio of the lines' first 200 characters; 0 if it is sure to be under `atLeast` or the budget is used up. */
  ratio(a: string, b: string, atLeast = 0): number {
    if (a === b) return 1;
    const [first, second] = [a.slice(0, LONGEST), b.slice(0, LONGEST)];
    const total = first.length + second.length;
    if (total === 0) return 1;
    if ((2 * Math.min(first.length, second.length)) / total < atLeast) return 0;
    if ((2 * sharedCharacters(first, second)) / total < atLeast) return 0;
    if (this.#left <= 0) return 0;
    this.#left--;
    return (2 * matching(first, second)) / total;
  }
}

/** Characters in common regardless of order: never less than those in order. */
function sharedCharacters(a: string, b: string): number {
  const counts = new Map<string, number>();
  for (const char of a) counts.set(char, (counts.get(char) ?? 0) + 1);
  let shared = 0;
  for (const char of b) {
    const left = counts.get(char) ?? 0;
    if (left > 0) {
      shared += char.length;
      counts.set(char, left - 1);
    }
  }
  return shared;
}

/** Length of the longest common substring, and of those to its left and right, recursively. */
function matching(a: string, b: string): number {
  if (a === "" || b === "") return 0;
  let best = 0;
  let bestA = 0;
  let bestB = 0;
  let last = new Uint16Array(b.length + 1);
  for (let i = 0; i < a.length; i++) {
    const row = new Uint16Array(b.length + 1);
    for (let j = 0; j < b.length; j++) {
      if (a[i] !== b[j]) continue;
      const length = last[j]! + 1;
      row[j + 1] = length;
      if (length > best) {
        best = length;
        bestA = i - length + 1;
        bestB = j - length + 1;
      }
    }
    last = row;
  }
  if (best === 0) return 0;
  return best + matching(a.slice(0, bestA), b.slice(0, bestB)) + matching(a.slice(bestA + best), b.slice(bestB + best));
}
