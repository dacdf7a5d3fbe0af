/**
 * A Llama forward and backward over a token tree. The arithmetic is float64 from end to end; the log-probabilities are
 * those of the inference server up to its float32 cache of keys and values.
 */
import type { ModelConfig } from "lachesis/inference";
import { type AttentionTape, attend, attendBackward } from "./attention.ts";
import { Rope, rmsNorm, rmsNormBackward, swiglu, swigluBackward } from "./elementwise.ts";
import { addTo, product, transposed } from "./matrix.ts";
import { type LayerSlots, Parameters, type Slot, view } from "./parameters.ts";
import type { TokenTree } from "./token-tree.ts";

interface LayerTape extends AttentionTape {
  input: Float64Array;
  inputScales: Float64Array;
  normed: Float64Array;
  mixed: Float64Array;
  middle: Float64Array;
  middleScales: Float64Array;
  mlpInput: Float64Array;
  gate: Float64Array;
  up: Float64Array;
  hidden: Float64Array;
}

/** A forward pass with everything that its backward pass needs. */
export interface Pass {
  tree: TokenTree;
  /** [sequence][trained place] of the tokens that stand there. */
  logprobs: Float64Array[];
  layers: LayerTape[];
  /** Output of the last layer. */
  last: Float64Array;
  /** Rows that predict something, and for each of them its normed state, scale and distribution. */
  rows: Int32Array;
  states: Float64Array;
  scales: Float64Array;
  distributions: Float64Array;
}

export class Llama {
  readonly config: ModelConfig;
  readonly parameters: Parameters;
  readonly #weights: Float64Array;
  /** Matrices by slot, transposed for the way back. */
  readonly #turned = new Map<Slot, Float64Array>();
  readonly #rope: Rope;

  constructor(config: ModelConfig) {
    this.config = config;
    this.parameters = new Parameters(config);
    this.#weights = new Float64Array(this.parameters.length);
    this.#rope = new Rope(config.headSize, config.ropeTheta, config.contextLength);
  }

  /** Takes other weights, copied; [parameters.length]. */
  setWeights(flat: Float32Array | Float64Array): void {
    this.#weights.set(flat);
    this.#turned.clear();
  }

  /**
   * @param targets [sequence][trained place] the tokens that are predicted.
   */
  forward(tree: TokenTree, targets: readonly ArrayLike<number>[]): Pass {
    const { hiddenSize: size, intermediateSize: inner, normEpsilon, vocabSize } = this.config;
    const rows = tree.tokens.length;
    const embedding = this.#of(this.parameters.embedding);
    let x = new Float64Array(rows * size);
    tree.tokens.forEach((token, row) => {
      x.set(embedding.subarray(token * size, (token + 1) * size), row * size);
    });
    const layers = this.parameters.layers.map((slots): LayerTape => {
      const input = x;
      const normed = new Float64Array(rows * size);
      const inputScales = rmsNorm(input, this.#of(slots.attentionNorm), normed, rows, normEpsilon);
      const attention = this.#attention(tree, slots, normed);
      const middle = this.#times(attention.mixed, slots.output, rows);
      addTo(middle, input);
      const mlpInput = new Float64Array(rows * size);
      const middleScales = rmsNorm(middle, this.#of(slots.mlpNorm), mlpInput, rows, normEpsilon);
      const gate = this.#times(mlpInput, slots.gate, rows);
      const up = this.#times(mlpInput, slots.up, rows);
      const hidden = swiglu(gate, up);
      x = new Float64Array(rows * size);
      product(hidden, this.#of(slots.down), x, rows, inner, size);
      addTo(x, middle);
      return { ...attention, input, inputScales, normed, middle, middleScales, mlpInput, gate, up, hidden };
    });
    const predicting = Int32Array.from(new Set(tree.predictors.flatMap((list) => [...list]))).sort();
    const chosen = new Float64Array(predicting.length * size);
    predicting.forEach((row, index) => {
      chosen.set(x.subarray(row * size, (row + 1) * size), index * size);
    });
    const states = new Float64Array(chosen.length);
    const scales = rmsNorm(chosen, this.#of(this.parameters.finalNorm), states, predicting.length, normEpsilon);
    const logits = this.#times(states, this.parameters.logits, predicting.length);
    const totals = toDistributions(logits, vocabSize);
    const place = new Map(Array.from(predicting, (row, index) => [row, index]));
    const logprobs = tree.predictors.map((list, sequence) =>
      Float64Array.from(list, (row, at) => {
        const index = place.get(row)!;
        return totals.logit(index, targets[sequence]![at]!);
      }),
    );
    return {
      tree,
      logprobs,
      layers,
      last: x,
      rows: predicting,
      states,
      scales,
      distributions: totals.distributions,
    };
  }

  /**
   * Adds to `gradient` the derivative of Σ flow · logprob by every weight.
   * @param flow [sequence][trained place] @param gradient [parameters.length]
   */
  backward(
    pass: Pass,
    targets: readonly ArrayLike<number>[],
    flow: readonly Float64Array[],
    gradient: Float64Array,
  ): void {
    const { hiddenSize: size, vocabSize } = this.config;
    const { tree, rows } = pass;
    const all = tree.tokens.length;
    const dLogits = this.#logitFlow(pass, targets, flow);
    this.#weightFlow(dLogits, pass.states, this.parameters.logits, rows.length, gradient);
    const dStates = this.#back(dLogits, this.parameters.logits, rows.length);
    const chosen = new Float64Array(rows.length * size);
    rows.forEach((row, index) => {
      chosen.set(pass.last.subarray(row * size, (row + 1) * size), index * size);
    });
    const dChosen = new Float64Array(chosen.length);
    const { finalNorm } = this.parameters;
    rmsNormBackward(dStates, chosen, this.#of(finalNorm), pass.scales, dChosen, view(gradient, finalNorm));
    const dx = new Float64Array(all * size);
    rows.forEach((row, index) => {
      dx.set(dChosen.subarray(index * size, (index + 1) * size), row * size);
    });
    for (let index = pass.layers.length - 1; index >= 0; index--) {
      this.#layerBackward(tree, pass.layers[index]!, this.parameters.layers[index]!, dx, gradient);
    }
    const dEmbedding = view(gradient, this.parameters.embedding);
    tree.tokens.forEach((token, row) => {
      if (token >= vocabSize) throw new RangeError(`token ${token} is not in the vocabulary`);
      for (let k = 0; k < size; k++) {
        dEmbedding[token * size + k] = dEmbedding[token * size + k]! + dx[row * size + k]!;
      }
    });
  }

  #attention(tree: TokenTree, slots: LayerSlots, normed: Float64Array): AttentionTape & { mixed: Float64Array } {
    const { heads, kvHeads, headSize } = this.config;
    const rows = tree.tokens.length;
    const query = this.#times(normed, slots.query, rows);
    const key = this.#times(normed, slots.key, rows);
    const value = this.#times(normed, slots.value, rows);
    this.#rope.turn(query, heads, tree.positions, 1);
    this.#rope.turn(key, kvHeads, tree.positions, 1);
    const mixed = new Float64Array(rows * heads * headSize);
    const weights = attend(tree, this.config, query, key, value, mixed);
    return { query, key, value, weights, mixed };
  }

  /** Replaces `dx`, the derivative by the layer's output, by the one by its input. */
  #layerBackward(tree: TokenTree, tape: LayerTape, slots: LayerSlots, dx: Float64Array, gradient: Float64Array): void {
    const { heads, kvHeads } = this.config;
    const rows = tree.tokens.length;
    this.#weightFlow(dx, tape.hidden, slots.down, rows, gradient);
    const dUp = this.#back(dx, slots.down, rows);
    const dGate = swigluBackward(dUp, tape.gate, tape.up);
    this.#weightFlow(dGate, tape.mlpInput, slots.gate, rows, gradient);
    this.#weightFlow(dUp, tape.mlpInput, slots.up, rows, gradient);
    const dNormed = this.#back(dGate, slots.gate, rows);
    addTo(dNormed, this.#back(dUp, slots.up, rows));
    const { mlpNorm, attentionNorm } = slots;
    rmsNormBackward(dNormed, tape.middle, this.#of(mlpNorm), tape.middleScales, dx, view(gradient, mlpNorm));

    this.#weightFlow(dx, tape.mixed, slots.output, rows, gradient);
    const dMixed = this.#back(dx, slots.output, rows);
    const dQuery = new Float64Array(tape.query.length);
    const dKey = new Float64Array(tape.key.length);
    const dValue = new Float64Array(tape.value.length);
    attendBackward(tree, this.config, tape, dMixed, dQuery, dKey, dValue);
    this.#rope.turn(dQuery, heads, tree.positions, -1);
    this.#rope.turn(dKey, kvHeads, tree.positions, -1);
    this.#weightFlow(dQuery, tape.normed, slots.query, rows, gradient);
    this.#weightFlow(dKey, tape.normed, slots.key, rows, gradient);
    this.#weightFlow(dValue, tape.normed, slots.value, rows, gradient);
    const dInput = this.#back(dQuery, slots.query, rows);
    addTo(dInput, this.#back(dKey, slots.key, rows));
    addTo(dInput, this.#back(dValue, slots.value, rows));
    rmsNormBackward(dInput, tape.input, this.#of(attentionNorm), tape.inputScales, dx, view(gradient, attentionNorm));
  }

  /** The derivative by the logits: flow · (one-hot − distribution), summed over the targets of a row. */
  #logitFlow(pass: Pass, targets: readonly ArrayLike<number>[], flow: readonly Float64Array[]): Float64Array {
    const { vocabSize } = this.config;
    const place = new Map(Array.from(pass.rows, (row, index) => [row, index]));
    const out = new Float64Array(pass.rows.length * vocabSize);
    const sums = new Float64Array(pass.rows.length);
    pass.tree.predictors.forEach((list, sequence) => {
      list.forEach((row, at) => {
        const index = place.get(row)!;
        const amount = flow[sequence]![at]!;
        const to = index * vocabSize + targets[sequence]![at]!;
        out[to] = out[to]! + amount;
        sums[index] = sums[index]! + amount;
      });
    });
    sums.forEach((sum, index) => {
      if (sum === 0) return;
      const end = (index + 1) * vocabSize;
      for (let at = index * vocabSize; at < end; at++) out[at] = out[at]! - sum * pass.distributions[at]!;
    });
    return out;
  }

  #of(slot: Slot): Float64Array {
    return view(this.#weights, slot);
  }

  /** x · matrixᵀ */
  #times(x: Float64Array, slot: Slot, rows: number): Float64Array {
    const [outs, size] = slot.shape as [number, number];
    const out = new Float64Array(rows * outs);
    product(x, this.#of(slot), out, rows, size, outs);
    return out;
  }

  /** dy · matrix */
  #back(dy: Float64Array, slot: Slot, rows: number): Float64Array {
    const [outs, size] = slot.shape as [number, number];
    let turned = this.#turned.get(slot);
    if (!turned) {
      turned = transposed(this.#of(slot), outs, size);
      this.#turned.set(slot, turned);
    }
    const out = new Float64Array(rows * size);
    product(dy, turned, out, rows, outs, size);
    return out;
  }

  /** gradient of the matrix += dyᵀ · x */
  #weightFlow(dy: Float64Array, x: Float64Array, slot: Slot, rows: number, gradient: Float64Array): void {
    const [outs, size] = slot.shape as [number, number];
    product(transposed(dy, rows, outs), transposed(x, rows, size), view(gradient, slot), outs, rows, size, true);
  }
}

/** Turns logits into distributions, in place, and answers for log-probabilities. */
function toDistributions(
  logits: Float64Array,
  vocabSize: number,
): { distributions: Float64Array; logit(index: number, token: number): number } {
  const raw = logits.slice();
  const norms = new Float64Array(logits.length / vocabSize);
  norms.forEach((_, index) => {
    const at = index * vocabSize;
    let highest = Number.NEGATIVE_INFINITY;
    for (let k = at; k < at + vocabSize; k++) if (logits[k]! > highest) highest = logits[k]!;
    let total = 0;
    for (let k = at; k < at + vocabSize; k++) total += Math.exp(logits[k]! - highest);
    norms[index] = highest + Math.log(total);
    for (let k = at; k < at + vocabSize; k++) logits[k] = Math.exp(logits[k]! - norms[index]!);
  });
  return { distributions: logits, logit: (index, token) => raw[index * vocabSize + token]! - norms[index]! };
}
