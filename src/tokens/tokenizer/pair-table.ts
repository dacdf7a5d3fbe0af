/**
 * Pair of ids → rank and joined id, as an open-addressing hash table over typed arrays: half a million merges take 12 MB
 * and no garbage. A pair that is set twice keeps its last value.
 */
export class PairTable {
  #left = new Int32Array(1024).fill(-1);
  #right = new Int32Array(1024);
  #rank = new Int32Array(1024);
  #joined = new Int32Array(1024);
  #count = 0;

  /** The slot of a pair, -1 if it never merges. */
  find(left: number, right: number): number {
    const mask = this.#left.length - 1;
    let slot = hash(left, right) & mask;
    for (;;) {
      const there = this.#left[slot]!;
      if (there === -1) return -1;
      if (there === left && this.#right[slot] === right) return slot;
      slot = (slot + 1) & mask;
    }
  }

  rank(slot: number): number {
    return this.#rank[slot]!;
  }

  joined(slot: number): number {
    return this.#joined[slot]!;
  }

  set(left: number, right: number, rank: number, joined: number): void {
    if (this.#count * 2 >= this.#left.length) this.#grow();
    const mask = this.#left.length - 1;
    let slot = hash(left, right) & mask;
    while (this.#left[slot] !== -1 && !(this.#left[slot] === left && this.#right[slot] === right)) {
      slot = (slot + 1) & mask;
    }
    if (this.#left[slot] === -1) this.#count++;
    this.#left[slot] = left;
    this.#right[slot] = right;
    this.#rank[slot] = rank;
    this.#joined[slot] = joined;
  }

  #grow(): void {
    const [left, right, rank, joined] = [this.#left, this.#right, this.#rank, this.#joined];
    const size = left.length * 2;
    this.#left = new Int32Array(size).fill(-1);
    this.#right = new Int32Array(size);
    this.#rank = new Int32Array(size);
    this.#joined = new Int32Array(size);
    this.#count = 0;
    for (let i = 0; i < left.length; i++) if (left[i] !== -1) this.set(left[i]!, right[i]!, rank[i]!, joined[i]!);
  }
}

function hash(left: number, right: number): number {
  let mixed = Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca6b);
  mixed ^= mixed >>> 15;
  mixed = Math.imul(mixed, 0xc2b2ae35);
  return mixed ^ (mixed >>> 13);
}
