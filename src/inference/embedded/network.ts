/**
 * The forward pass of a Llama. A batch is a list of rows, each one token at one position of one sequence: a prompt, many
 * sequences that each decode one token, or both. A row's result is the same whatever the batch.
 */
import { addInPlace, attend, matmul, RopeTable, rmsNorm, swiglu } from "./kernels.ts";
import type { KvCache } from "./kv-cache.ts";
import type { ModelConfig } from "./model-config.ts";
import { countParameters, type Weights } from "./weights.ts";

/** Tokens that follow each other in one sequence, beginning at its cache's length. */
export interface Span {
  cache: KvCache;
  tokens: readonly number[];
  /** Which of the tokens need logits. */
  logits: "none" | "last" | "all";
}

export class Network {
  readonly config: ModelConfig;
  /** How many numbers the weights hold. */
  readonly parameters: number;
  readonly #weights: Weights;
  readonly #rope: RopeTable;
  readonly #scratch = new Scratch();

  constructor(config: ModelConfig, weights: Weights) {
    this.config = config;
    this.#weights = weights;
    this.parameters = countParameters(weights);
    this.#rope = new RopeTable(config.headSize, config.ropeTheta, config.contextLength);
  }

  /**
   * Computes the spans, appends their keys and values to the caches, and gives the logits that were asked for:
   * one Float64Array of vocabSize per row, spans in order. The arrays are views that the next call overwrites.
   */
  forward(spans: readonly Span[]): Float64Array[] {
    const weights = this.#weights;
    const scratch = this.#scratch;
    const { hiddenSize: size, intermediateSize, normEpsilon, layers } = this.config;
    const rows = spans.reduce((sum, span) => sum + span.tokens.length, 0);
    const x = scratch.get("x", rows * size);
    this.#embed(spans, x);
    for (const span of spans) span.cache.reserve(span.tokens.length);
    const normed = scratch.get("normed", rows * size);
    const added = scratch.get("added", rows * size);
    const gate = scratch.get("gate", rows * intermediateSize);
    const up = scratch.get("up", rows * intermediateSize);
    for (let index = 0; index < layers; index++) {
      const layer = weights.layers[index]!;
      rmsNorm(x, layer.attentionNorm, normed, rows, size, normEpsilon);
      this.#attention(spans, index, normed, added, rows);
      addInPlace(x, added, rows * size);
      rmsNorm(x, layer.mlpNorm, normed, rows, size, normEpsilon);
      matmul(normed, layer.gate, gate, rows, size, intermediateSize);
      matmul(normed, layer.up, up, rows, size, intermediateSize);
      swiglu(gate, up, rows * intermediateSize);
      matmul(gate, layer.down, added, rows, intermediateSize, size);
      addInPlace(x, added, rows * size);
    }
    for (const span of spans) span.cache.length += span.tokens.length;
    return this.#logits(spans, x);
  }

  #embed(spans: readonly Span[], x: Float64Array): void {
    const size = this.config.hiddenSize;
    let at = 0;
    for (const { tokens } of spans) {
      for (const token of tokens) {
        x.set(this.#weights.embedding.subarray(token * size, (token + 1) * size), at);
        at += size;
      }
    }
  }

  #attention(spans: readonly Span[], index: number, normed: Float64Array, out: Float64Array, rows: number): void {
    const { hiddenSize: size, heads, kvHeads, headSize } = this.config;
    const layer = this.#weights.layers[index]!;
    const width = heads * headSize;
    const kvWidth = kvHeads * headSize;
    const query = this.#scratch.get("query", rows * width);
    const key = this.#scratch.get("key", rows * kvWidth);
    const value = this.#scratch.get("value", rows * kvWidth);
    const mixed = this.#scratch.get("mixed", rows * width);
    matmul(normed, layer.query, query, rows, size, width);
    matmul(normed, layer.key, key, rows, size, kvWidth);
    matmul(normed, layer.value, value, rows, size, kvWidth);
    let row = 0;
    for (const { cache, tokens } of spans) {
      const keys = cache.keys[index]!;
      const values = cache.values[index]!;
      const scores = this.#scratch.get("scores", cache.length + tokens.length);
      for (let offset = 0; offset < tokens.length; offset++, row++) {
        const position = cache.length + offset;
        this.#rope.rotate(query, row * width, heads, position);
        this.#rope.rotate(key, row * kvWidth, kvHeads, position);
        keys.set(key.subarray(row * kvWidth, (row + 1) * kvWidth), position * kvWidth);
        values.set(value.subarray(row * kvWidth, (row + 1) * kvWidth), position * kvWidth);
        for (let head = 0; head < heads; head++) {
          const headAt = Math.floor((head * kvHeads) / heads) * headSize;
          const queryAt = row * width + head * headSize;
          attend(query, keys, values, mixed, scores, {
            queryAt,
            headAt,
            width: kvWidth,
            headSize,
            count: position + 1,
          });
        }
      }
    }
    matmul(mixed, layer.output, out, rows, width, size);
  }

  #logits(spans: readonly Span[], x: Float64Array): Float64Array[] {
    const { hiddenSize: size, vocabSize, normEpsilon } = this.config;
    const wanted: number[] = [];
    let row = 0;
    for (const { tokens, logits } of spans) {
      if (logits === "all") for (let offset = 0; offset < tokens.length; offset++) wanted.push(row + offset);
      else if (logits === "last") wanted.push(row + tokens.length - 1);
      row += tokens.length;
    }
    const chosen = this.#scratch.get("chosen", wanted.length * size);
    wanted.forEach((from, index) => {
      chosen.set(x.subarray(from * size, (from + 1) * size), index * size);
    });
    rmsNorm(chosen, this.#weights.finalNorm, chosen, wanted.length, size, normEpsilon);
    const logits = this.#scratch.get("logits", wanted.length * vocabSize);
    matmul(chosen, this.#weights.logits, logits, wanted.length, size, vocabSize);
    return wanted.map((_, index) => logits.subarray(index * vocabSize, (index + 1) * vocabSize));
  }
}

/** Arrays that are used again from call to call and grow when they must. */
class Scratch {
  readonly #arrays = new Map<string, Float64Array>();

  get(name: string, length: number): Float64Array {
    const known = this.#arrays.get(name);
    if (known && known.length >= length) return known;
    const made = new Float64Array(Math.ceil(length * 1.5));
    this.#arrays.set(name, made);
    return made;
  }
}
