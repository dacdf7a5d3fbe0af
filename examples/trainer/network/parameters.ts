/**
 * All weights of a Llama in one flat array, in a fixed order under their Hugging Face names: the optimiser, the gradient
 * and the worker threads see numbers, the network and the checkpoint see matrices.
 */
import type { ModelConfig } from "lachesis/inference";

export interface Slot {
  name: string;
  /** Matrices are [out][in]. */
  shape: readonly number[];
  offset: number;
  length: number;
}

export interface LayerSlots {
  attentionNorm: Slot;
  query: Slot;
  key: Slot;
  value: Slot;
  output: Slot;
  mlpNorm: Slot;
  gate: Slot;
  up: Slot;
  down: Slot;
}

export class Parameters {
  readonly slots: Slot[] = [];
  /** How many numbers there are. */
  length = 0;
  readonly embedding: Slot;
  readonly layers: LayerSlots[];
  readonly finalNorm: Slot;
  /** The embedding itself where they are tied. */
  readonly logits: Slot;

  constructor(config: ModelConfig) {
    const { hiddenSize: size, intermediateSize: inner, vocabSize } = config;
    const queries = config.heads * config.headSize;
    const keys = config.kvHeads * config.headSize;
    this.embedding = this.#slot("model.embed_tokens.weight", vocabSize, size);
    this.layers = Array.from({ length: config.layers }, (_, index) => {
      const at = `model.layers.${index}`;
      return {
        attentionNorm: this.#slot(`${at}.input_layernorm.weight`, size),
        query: this.#slot(`${at}.self_attn.q_proj.weight`, queries, size),
        key: this.#slot(`${at}.self_attn.k_proj.weight`, keys, size),
        value: this.#slot(`${at}.self_attn.v_proj.weight`, keys, size),
        output: this.#slot(`${at}.self_attn.o_proj.weight`, size, queries),
        mlpNorm: this.#slot(`${at}.post_attention_layernorm.weight`, size),
        gate: this.#slot(`${at}.mlp.gate_proj.weight`, inner, size),
        up: this.#slot(`${at}.mlp.up_proj.weight`, inner, size),
        down: this.#slot(`${at}.mlp.down_proj.weight`, size, inner),
      };
    });
    this.finalNorm = this.#slot("model.norm.weight", size);
    this.logits = config.tiedEmbeddings ? this.embedding : this.#slot("lm_head.weight", vocabSize, size);
  }

  #slot(name: string, ...shape: number[]): Slot {
    const length = shape.reduce((product, axis) => product * axis, 1);
    const slot = { name, shape, offset: this.length, length };
    this.slots.push(slot);
    this.length += length;
    return slot;
  }
}

/** The part of a flat array that belongs to a slot, as a view. */
export function view<A extends Float32Array | Float64Array>(flat: A, { offset, length }: Slot): A {
  return flat.subarray(offset, offset + length) as A;
}
