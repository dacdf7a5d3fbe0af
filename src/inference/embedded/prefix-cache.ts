/**
 * Keys and values of prompts that were seen before, in blocks that hang on each other: a block is known by the block
 * before it and its own tokens, so sequences that begin alike share their blocks. What a hit gives is bit for bit what
 * computing it again would give. The blocks used longest ago go first.
 */
import type { KvCache } from "./kv-cache.ts";

const BLOCK = 16;

interface Block {
  id: number;
  /** Per layer [BLOCK × width]. */
  keys: Float32Array[];
  values: Float32Array[];
}

export class PrefixCache {
  readonly #blocks = new Map<string, Block>();
  readonly #maxBlocks: number;
  #nextId = 1;

  /** `maxTokens`: how many positions are kept; 0 switches the cache off. */
  constructor(maxTokens: number) {
    this.#maxBlocks = Math.floor(maxTokens / BLOCK);
  }

  /** Fills an empty cache with the longest known beginning of `tokens`, their last one left out; gives its length. */
  restore(tokens: readonly number[], into: KvCache): number {
    const found: [string, Block][] = [];
    let parent = 0;
    // At least one token must be computed: its logits are the first that are needed.
    for (let at = 0; at + BLOCK < tokens.length; at += BLOCK) {
      const key = keyOf(parent, tokens, at);
      const block = this.#blocks.get(key);
      if (!block) break;
      found.push([key, block]);
      parent = block.id;
    }
    into.reserve(found.length * BLOCK);
    found.forEach(([, block], index) => {
      const at = index * BLOCK * into.width;
      block.keys.forEach((keys, layer) => {
        into.keys[layer]!.set(keys, at);
        into.values[layer]!.set(block.values[layer]!, at);
      });
    });
    into.length = found.length * BLOCK;
    this.#touch(found);
    return into.length;
  }

  /** Keeps the whole blocks of a computed sequence; `tokens` are those of the cache's positions. */
  keep(tokens: readonly number[], from: KvCache): void {
    const used: [string, Block][] = [];
    let parent = 0;
    for (let at = 0; at + BLOCK <= Math.min(tokens.length, from.length); at += BLOCK) {
      if (used.length >= this.#maxBlocks) break;
      const key = keyOf(parent, tokens, at);
      let block = this.#blocks.get(key);
      if (!block) {
        const part = (whole: Float32Array) => whole.slice(at * from.width, (at + BLOCK) * from.width);
        block = { id: this.#nextId++, keys: from.keys.map(part), values: from.values.map(part) };
      }
      used.push([key, block]);
      parent = block.id;
    }
    this.#touch(used);
    for (const key of this.#blocks.keys()) {
      if (this.#blocks.size <= this.#maxBlocks) break;
      this.#blocks.delete(key);
    }
  }

  /** Last blocks first, so that a beginning outlives what hangs on it. */
  #touch(blocks: readonly [string, Block][]): void {
    for (const [key, block] of blocks.toReversed()) {
      this.#blocks.delete(key);
      this.#blocks.set(key, block);
    }
  }
}

function keyOf(parent: number, tokens: readonly number[], at: number): string {
  return `${parent}:${tokens.slice(at, at + BLOCK).join(",")}`;
}
