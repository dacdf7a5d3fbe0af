/** Estimates over repeated attempts that evaluations and data filters share. */

/**
 * Chance that at least one of k attempts passes, estimated without bias from n attempts of which c passed
 * (1 − C(n−c, k)/C(n, k); Chen et al. 2021). null when n < k.
 */
export function passAtK(n: number, c: number, k: number): number | null {
  if (k > n || k < 1) return null;
  if (n - c < k) return 1;
  let failing = 1;
  for (let index = n - c + 1; index <= n; index++) failing *= 1 - k / index;
  return 1 - failing;
}

/** Chance that all of k attempts pass, estimated without bias: C(c, k)/C(n, k). null when n < k. */
export function passPowerK(n: number, c: number, k: number): number | null {
  if (k > n || k < 1) return null;
  let passing = 1;
  for (let index = 0; index < k; index++) passing *= Math.max(0, c - index) / (n - index);
  return passing;
}
