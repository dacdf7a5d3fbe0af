/**
 * Order and split by seed. The same seed and rows always give the same; equal rows always fall on the same side of the
 * split, so that nothing that is trained on is evaluated.
 */
import { deriveSeed, LachesisError, seededRandom, shuffled } from "../core/index.ts";

/** A shuffled copy. Another `epoch` gives another order. */
export function seededOrder<T>(rows: readonly T[], seed: number, epoch = 0): T[] {
  return shuffled(rows, seededRandom(deriveSeed(seed, "order", epoch)));
}

/** Rows for ever, in a new order each time round. Ends at once when there are none. */
export function* epochs<T>(rows: readonly T[], seed: number): Generator<T, void> {
  for (let epoch = 0; rows.length > 0; epoch++) yield* seededOrder(rows, seed, epoch);
}

/**
 * Splits rows into two parts, each in the order of the rows. `evalSize` is how many are held out; copies of a held-out row
 * go with it, so it can be a few more. Throws `config_invalid` when nothing would be left for training.
 */
export function trainEvalSplit<T>(rows: readonly T[], evalSize: number, seed: number): { train: T[]; eval: T[] } {
  if (evalSize <= 0) return { train: [...rows], eval: [] };
  const copies = new Map<string, number[]>();
  for (const [index, row] of rows.entries()) {
    const key =
      JSON.stringify(row, (_name, value: unknown) => (typeof value === "bigint" ? `${value}n` : value)) ?? "undefined";
    const list = copies.get(key);
    if (list === undefined) copies.set(key, [index]);
    else list.push(index);
  }
  const heldOut = new Set<number>();
  for (const indices of shuffled([...copies.values()], seededRandom(deriveSeed(seed, "split")))) {
    if (heldOut.size >= evalSize) break;
    for (const index of indices) heldOut.add(index);
  }
  if (heldOut.size >= rows.length) {
    throw new LachesisError(
      "config_invalid",
      `eval_size is ${evalSize}, but there are ${rows.length} rows (${copies.size} different ones): none would be left for training.`,
    );
  }
  return { train: rows.filter((_, index) => !heldOut.has(index)), eval: rows.filter((_, index) => heldOut.has(index)) };
}
