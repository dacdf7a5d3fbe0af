/** Keys and values of one sequence, per layer [position][kvHeads × headSize]. They grow; what was written never changes. */
import type { ModelConfig } from "./model-config.ts";

const FIRST_POSITIONS = 256;

export class KvCache {
  /** Positions that are filled. */
  length = 0;
  readonly keys: Float32Array[];
  readonly values: Float32Array[];
  readonly width: number;
  #positions = FIRST_POSITIONS;

  constructor(config: ModelConfig) {
    this.width = config.kvHeads * config.headSize;
    const make = () => Array.from({ length: config.layers }, () => new Float32Array(FIRST_POSITIONS * this.width));
    this.keys = make();
    this.values = make();
  }

  /** Makes room for `count` more positions. */
  reserve(count: number): void {
    if (this.length + count <= this.#positions) return;
    this.#positions = Math.max(this.#positions * 2, this.length + count);
    for (const arrays of [this.keys, this.values]) {
      arrays.forEach((old, layer) => {
        const grown = new Float32Array(this.#positions * this.width);
        grown.set(old.subarray(0, this.length * this.width));
        arrays[layer] = grown;
      });
    }
  }
}
