/** Exact subset sums over small lists: which buffered groups make up a whole group. */

/**
 * Places whose sizes add up to exactly `target`, ascending; null where there are none. The first attempt takes what fits
 * in order; else any exact subset, by dynamic programming over the sums that can be reached.
 */
export function exactSubset(sizes: readonly number[], target: number): number[] | null {
  const greedy: number[] = [];
  let total = 0;
  for (let index = 0; index < sizes.length && total < target; index++) {
    if (total + sizes[index]! > target) continue;
    greedy.push(index);
    total += sizes[index]!;
  }
  if (total === target) return greedy;
  // For each reachable sum the place that reached it first, and the sum before that.
  const reached = new Map<number, { place: number; before: number }>([[0, { place: -1, before: 0 }]]);
  sizes.forEach((size, place) => {
    for (const sum of [...reached.keys()]) {
      const next = sum + size;
      if (next <= target && !reached.has(next)) reached.set(next, { place, before: sum });
    }
  });
  if (!reached.has(target)) return null;
  const places: number[] = [];
  for (let sum = target; sum > 0; ) {
    const { place, before } = reached.get(sum)!;
    places.push(place);
    sum = before;
  }
  return places.reverse();
}
