/**
 * AdamW with bias correction and weight decay apart from the gradient (Loshchilov & Hutter, 2019), on flat arrays. Norm
 * weights, which have one axis, are not decayed.
 */
import type { Slot } from "./network/parameters.ts";

export interface AdamWOptions {
  learningRate: number;
  beta1: number;
  beta2: number;
  epsilon: number;
  weightDecay: number;
}

/** Running means of the gradient and of its square, and how many updates they have seen. */
export interface AdamWState {
  first: Float32Array;
  second: Float32Array;
  updates: number;
}

export function newAdamWState(length: number): AdamWState {
  return { first: new Float32Array(length), second: new Float32Array(length), updates: 0 };
}

/** One update, in place. */
export function adamW(
  weights: Float32Array,
  gradient: Float64Array,
  state: AdamWState,
  slots: readonly Slot[],
  options: AdamWOptions,
): void {
  const { learningRate, beta1, beta2, epsilon, weightDecay } = options;
  const { first, second } = state;
  state.updates++;
  const correction1 = 1 - beta1 ** state.updates;
  const correction2 = 1 - beta2 ** state.updates;
  for (const { offset, length, shape } of slots) {
    const kept = shape.length > 1 ? 1 - learningRate * weightDecay : 1;
    for (let at = offset; at < offset + length; at++) {
      const slope = gradient[at]!;
      const mean = beta1 * first[at]! + (1 - beta1) * slope;
      const square = beta2 * second[at]! + (1 - beta2) * slope * slope;
      first[at] = mean;
      second[at] = square;
      const change = mean / correction1 / (Math.sqrt(square / correction2) + epsilon);
      weights[at] = weights[at]! * kept - learningRate * change;
    }
  }
}

/** Shortens the gradient to `limit` where it is longer; gives its length before. */
export function clipGradient(gradient: Float64Array, limit: number): number {
  let squares = 0;
  for (const slope of gradient) squares += slope * slope;
  const norm = Math.sqrt(squares);
  if (norm > limit) {
    const factor = limit / norm;
    for (let at = 0; at < gradient.length; at++) gradient[at] = gradient[at]! * factor;
  }
  return norm;
}
