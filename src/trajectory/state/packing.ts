/**
 * Which queued groups make the next batch (protocol v1). Let M be the size of the largest queued group. Groups of one
 * size gather in the order of arrival until their total is M and then become eligible together. Groups that gather
 * together stand in one lane: all of a size, or, where environments have minimum shares, all of a size and environment.
 *
 * Invariant: each queued group stands in exactly one lane, eligible or waiting, so that adding a group costs O(1) and a
 * batch O(its groups). Only a change of M, or half a pack that was taken, gathers anew.
 */

export interface QueuedGroup {
  readonly id: number;
  /** Grows in the order in which groups entered the queue. */
  readonly place: number;
  /** Sequences. */
  readonly size: number;
  readonly env: number | null;
}

interface Lane {
  readonly size: number;
  readonly env: number | null;
  waiting: QueuedGroup[];
  /** In the order of arrival, which is also that of completion; the value says when its pack was complete. */
  readonly eligible: Map<QueuedGroup, number>;
}

export class Packer {
  readonly #perEnv: boolean;
  readonly #queued = new Map<number, QueuedGroup>();
  readonly #countBySize = new Map<number, number>();
  #lanes = new Map<string, Lane>();
  #largest = 0;
  #completions = 0;

  /** `perEnv`: groups gather with those of their own environment only. */
  constructor({ perEnv }: { perEnv: boolean }) {
    this.#perEnv = perEnv;
  }

  get size(): number {
    return this.#queued.size;
  }

  /** M: the sequences of the largest queued group; 0 when nothing is queued. */
  get largest(): number {
    return this.#largest;
  }

  /** The largest queued group of one environment; 0 when it has none. Only where groups gather per environment. */
  largestOf(env: number): number {
    let largest = 0;
    for (const lane of this.#lanes.values()) {
      if (lane.env === env && lane.eligible.size + lane.waiting.length > 0) largest = Math.max(largest, lane.size);
    }
    return largest;
  }

  has(id: number): boolean {
    return this.#queued.has(id);
  }

  add(group: QueuedGroup): void {
    this.#queued.set(group.id, group);
    this.#countBySize.set(group.size, (this.#countBySize.get(group.size) ?? 0) + 1);
    if (group.size > this.#largest) this.#regather(group.size);
    else this.#gather(group);
  }

  remove(ids: Iterable<number>): void {
    let broken = false;
    for (const id of ids) {
      const group = this.#queued.get(id);
      if (!group) continue;
      this.#queued.delete(id);
      const left = this.#countBySize.get(group.size)! - 1;
      if (left > 0) this.#countBySize.set(group.size, left);
      else this.#countBySize.delete(group.size);
      const lane = this.#laneOf(group);
      broken = !lane.eligible.delete(group) || broken;
      broken = (lane.eligible.size * lane.size) % this.#largest !== 0 || broken;
    }
    const largest = this.#countBySize.has(this.#largest) ? this.#largest : Math.max(0, ...this.#countBySize.keys());
    // `broken` may be true in passing, while a pack is taken group by group: look again at the end.
    if (largest !== this.#largest || (broken && this.#isBroken())) this.#regather(largest);
  }

  /** The next batch without minimum shares, or null. Nothing is removed. */
  batch(batchSize: number): QueuedGroup[] | null {
    const taken: QueuedGroup[] = [];
    let total = 0;
    for (const group of merged([...this.#lanes.values()], byCompletion)) {
      total += group.size;
      if (total > batchSize) return null;
      taken.push(group);
      if (total === batchSize) return taken;
    }
    return null;
  }

  /**
   * The next batch with minimum shares, or null: first each environment's minimum, then the rest in the order of arrival.
   * @param minimums Sequences by environment, in the order of their ids.
   */
  batchWithMinimums(batchSize: number, minimums: ReadonlyMap<number, number>): QueuedGroup[] | null {
    const lanes = [...this.#lanes.values()].filter((lane) => lane.env !== null && lane.eligible.size > 0);
    const due = scaled(batchSize, minimums, lanes);
    if (!due) return null;
    const taken = new Set<QueuedGroup>();
    let total = 0;
    for (const [env, minimum] of due) {
      let share = 0;
      for (const group of merged(
        lanes.filter((lane) => lane.env === env),
        byCompletion,
      )) {
        if (share >= minimum) break;
        if (total + group.size > batchSize) continue;
        taken.add(group);
        share += group.size;
        total += group.size;
      }
    }
    for (const group of merged(lanes, byArrival)) {
      if (total >= batchSize) break;
      if (taken.has(group) || total + group.size > batchSize) continue;
      taken.add(group);
      total += group.size;
    }
    return total === batchSize ? [...taken] : null;
  }

  /** Sizes of which no multiple is M, and how many groups have them: they wait until the larger groups are gone. */
  waitingSizes(): Map<number, number> {
    return new Map([...this.#countBySize].filter(([size]) => this.#largest % size !== 0));
  }

  #laneOf(group: QueuedGroup): Lane {
    const env = this.#perEnv ? group.env : null;
    const key = `${env}:${group.size}`;
    let lane = this.#lanes.get(key);
    if (!lane) {
      lane = { size: group.size, env, waiting: [], eligible: new Map() };
      this.#lanes.set(key, lane);
    }
    return lane;
  }

  #gather(group: QueuedGroup): void {
    const lane = this.#laneOf(group);
    lane.waiting.push(group);
    if (lane.waiting.length * lane.size !== this.#largest) return;
    this.#completions++;
    for (const member of lane.waiting) lane.eligible.set(member, this.#completions);
    lane.waiting = [];
  }

  #regather(largest: number): void {
    this.#largest = largest;
    this.#lanes = new Map();
    for (const group of this.#queued.values()) this.#gather(group);
  }

  #isBroken(): boolean {
    let standing = 0;
    for (const lane of this.#lanes.values()) {
      if ((lane.eligible.size * lane.size) % this.#largest !== 0) return true;
      standing += lane.eligible.size + lane.waiting.length;
    }
    return standing !== this.#queued.size;
  }
}

type Order = (a: QueuedGroup, completedA: number, b: QueuedGroup, completedB: number) => number;
const byArrival: Order = (a, _, b) => a.place - b.place;
const byCompletion: Order = (a, completedA, b, completedB) => completedA - completedB || a.place - b.place;

/** The lanes' eligible groups in one order; lazy, so that a batch looks at no more than it takes. */
function* merged(lanes: readonly Lane[], order: Order): Generator<QueuedGroup> {
  const heads = lanes.map((lane) => lane.eligible.entries());
  const fronts = heads.map((head) => head.next().value);
  for (;;) {
    let first = -1;
    fronts.forEach((front, index) => {
      const best = fronts[first];
      if (front && (!best || order(front[0], front[1], best[0], best[1]) < 0)) first = index;
    });
    const front = fronts[first];
    if (!front) return;
    fronts[first] = heads[first]!.next().value;
    yield front[0];
  }
}

/** What each environment is due, or null where one that is due something has nothing eligible. */
function scaled(
  batchSize: number,
  minimums: ReadonlyMap<number, number>,
  lanes: readonly Lane[],
): Map<number, number> | null {
  const due = new Map([...minimums].filter(([, minimum]) => minimum >= 1));
  const smallest = new Map<number, number>();
  for (const { env, size } of lanes) {
    if (env !== null) smallest.set(env, Math.min(size, smallest.get(env) ?? size));
  }
  if ([...due.keys()].some((env) => !smallest.has(env))) return null;
  const total = [...due.values()].reduce((sum, minimum) => sum + minimum, 0);
  if (total > batchSize) {
    for (const [env, minimum] of due) {
      due.set(env, Math.max(smallest.get(env)!, Math.floor((minimum * batchSize) / total)));
    }
  }
  return due;
}
