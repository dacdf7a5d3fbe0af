/** Summaries of a list of numbers under the names that dashboards know: `<name>_mean`, `_std`, `_max`, `_min`, `_p95`. */

export interface Spread {
  mean: number;
  /** Of the population, as the reference computes it. */
  std: number;
  min: number;
  max: number;
  p95: number;
}

/** null for an empty list. */
export function spreadOf(values: readonly number[]): Spread | null {
  if (values.length === 0) return null;
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  const sorted = values.toSorted((a, b) => a - b);
  return { mean, std: Math.sqrt(variance), min: sorted[0]!, max: sorted.at(-1)!, p95: quantile(sorted, 0.95) };
}

/** The quantile of sorted values, linear between neighbours. */
export function quantile(sorted: readonly number[], q: number): number {
  const place = (sorted.length - 1) * q;
  const below = Math.floor(place);
  const low = sorted[below]!;
  const high = sorted[Math.min(below + 1, sorted.length - 1)]!;
  return low + (high - low) * (place - below);
}
