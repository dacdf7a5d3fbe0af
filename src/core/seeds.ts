/**
 * Seeds: every random choice derives from the run's seed by hashing, so that the same run makes the same choices
 * whatever the order in which its rollouts happen to be scheduled.
 */
import { createHash } from "node:crypto";

/** A seed below 2^31 made from a parent seed and the names of what it is for. */
export function deriveSeed(parent: number, ...path: (string | number)[]): number {
  const digest = createHash("sha256")
    .update(JSON.stringify([parent, ...path]))
    .digest();
  return digest.readUInt32BE(0) >>> 1;
}

/** A generator of numbers in [0, 1): mulberry32 (Tommy Ettinger, public domain). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** A shuffled copy (Fisher–Yates). */
export function shuffled<T>(values: readonly T[], random: () => number): T[] {
  const result = [...values];
  for (let last = result.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    [result[last], result[other]] = [result[other]!, result[last]!];
  }
  return result;
}
