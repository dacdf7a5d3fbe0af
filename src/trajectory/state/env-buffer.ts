/**
 * Groups of one environment that have another size than it registered, until some of them add up to that size. However
 * many wait, finding them looks at no more groups of a size than could be part of one sum.
 */
import { exactSubset } from "./subset.ts";

export class EnvBuffer {
  /** Ids by size, in the order of arrival. */
  readonly #bySize = new Map<number, Set<number>>();
  #groups = 0;
  #sequences = 0;

  get groups(): number {
    return this.#groups;
  }

  get sequences(): number {
    return this.#sequences;
  }

  add(id: number, size: number): void {
    const ids = this.#bySize.get(size) ?? new Set();
    this.#bySize.set(size, ids.add(id));
    this.#groups++;
    this.#sequences += size;
  }

  delete(id: number, size: number): void {
    const ids = this.#bySize.get(size);
    if (!ids?.delete(id)) return;
    if (ids.size === 0) this.#bySize.delete(size);
    this.#groups--;
    this.#sequences -= size;
  }

  /** Ids whose sizes add up to exactly `target`, in the order of arrival; null where there are none. */
  completing(target: number): number[] | null {
    const candidates: { id: number; size: number }[] = [];
    for (const [size, ids] of this.#bySize) {
      let left = Math.floor(target / size);
      for (const id of ids) {
        if (left-- <= 0) break;
        candidates.push({ id, size });
      }
    }
    candidates.sort((a, b) => a.id - b.id);
    const places = exactSubset(
      candidates.map(({ size }) => size),
      target,
    );
    return places?.map((place) => candidates[place]!.id) ?? null;
  }
}
