/**
 * The statistics of evaluations. Attempts at the same item are not independent, so standard errors are clustered by
 * item; an estimate that the data cannot give is null, never 0.
 */
export { passAtK, passPowerK } from "../core/index.ts";

/** A mean with its standard error; null where there is nothing to estimate from. */
export interface Estimate {
  mean: number | null;
  stderr: number | null;
  /** Observations. */
  n: number;
}

/**
 * Mean of all values, with the cluster-robust standard error (Liang and Zeger 1986) and the correction G/(G − 1) for a
 * finite number of clusters. With one value per cluster it is the usual s/√n.
 * @param clusters `[item][attempt]`
 */
export function clusteredMean(clusters: readonly (readonly number[])[]): Estimate {
  const filled = clusters.filter((values) => values.length > 0);
  const n = filled.reduce((sum, values) => sum + values.length, 0);
  if (n === 0) return { mean: null, stderr: null, n };
  const mean = filled.reduce((sum, values) => sum + total(values), 0) / n;
  const groups = filled.length;
  if (groups < 2) return { mean, stderr: null, n };
  const squares = filled.reduce((sum, values) => sum + (total(values) - values.length * mean) ** 2, 0);
  return { mean, stderr: Math.sqrt((squares * groups) / (groups - 1)) / n, n };
}

/** Mean over items of a statistic of each item, leaving out items that cannot give it. */
export function meanOverItems(values: readonly (number | null)[]): Estimate {
  return clusteredMean(values.filter((value) => value !== null).map((value) => [value]));
}

/**
 * Interval of 95 % for a rate (Wilson's score interval), with the effective number of observations that the clustered
 * standard error implies.
 */
export function rateInterval(estimate: Estimate): [number, number] | null {
  const { mean, stderr, n } = estimate;
  if (mean === null || n === 0) return null;
  const variance = mean * (1 - mean);
  const effective = stderr !== null && stderr > 0 && variance > 0 ? Math.min(n, variance / stderr ** 2) : n;
  const z = 1.959963984540054;
  const centre = (mean + z ** 2 / (2 * effective)) / (1 + z ** 2 / effective);
  const half = (z / (1 + z ** 2 / effective)) * Math.sqrt(variance / effective + z ** 2 / (4 * effective ** 2));
  return [Math.max(0, centre - half), Math.min(1, centre + half)];
}

function total(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}
