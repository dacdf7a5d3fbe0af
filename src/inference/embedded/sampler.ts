/**
 * Chooses the next token. The log-probability that is reported first is always that of the whole, untempered
 * distribution, whatever temperature and cut-offs chose the token; the tempered one stands beside it.
 */
import { seededRandom } from "../../core/index.ts";

export interface SamplerOptions {
  /** 0: always the likeliest token, the lowest id among equals. */
  temperature: number;
  /** Keep the likeliest tokens until their share reaches this. 1: all. */
  topP: number;
  /** Keep the k likeliest tokens. 0 or less: all. */
  topK: number;
  /** Keep tokens at least this share as likely as the likeliest. 0: all. */
  minP: number;
  seed: number;
}

export interface Sampled {
  token: number;
  /** ln softmax(logits)[token] */
  logprob: number;
  /** ln softmax(logits / temperature)[token], before the cut-offs. Equal to `logprob` at temperatures 0 and 1. */
  tempered: number;
}

export class Sampler {
  readonly #options: SamplerOptions;
  readonly #random: () => number;

  constructor(options: SamplerOptions) {
    this.#options = options;
    this.#random = seededRandom(options.seed);
  }

  next(logits: Float64Array): Sampled {
    const { temperature } = this.#options;
    if (temperature === 0) {
      const token = likeliest(logits);
      const logprob = logits[token]! - logSumExp(logits, 1);
      return { token, logprob, tempered: logprob };
    }
    const token = this.#draw(logits);
    const logprob = logits[token]! - logSumExp(logits, 1);
    const tempered = temperature === 1 ? logprob : logits[token]! / temperature - logSumExp(logits, temperature);
    return { token, logprob, tempered };
  }

  #draw(logits: Float64Array): number {
    const { temperature, topP, topK, minP } = this.#options;
    const highest = logits[likeliest(logits)]!;
    const weights = Float64Array.from(logits, (value) => Math.exp((value - highest) / temperature));
    const kept = topP < 1 || topK > 0 || minP > 0 ? this.#cut(weights) : null;
    const count = kept?.length ?? weights.length;
    let total = 0;
    for (let index = 0; index < count; index++) total += weights[kept ? kept[index]! : index]!;
    let rest = this.#random() * total;
    let last = 0;
    for (let index = 0; index < count; index++) {
      const token = kept ? kept[index]! : index;
      const weight = weights[token]!;
      if (weight === 0) continue;
      last = token;
      rest -= weight;
      if (rest < 0) break;
    }
    return last;
  }

  /** The tokens that may be drawn, likeliest first: top_k, then top_p of what is left, then min_p. Never none. */
  #cut(weights: Float64Array): number[] {
    const { topP, topK, minP } = this.#options;
    const order = Array.from(weights.keys()).sort((a, b) => weights[b]! - weights[a]! || a - b);
    const few = topK > 0 ? order.slice(0, topK) : order;
    const total = few.reduce((sum, token) => sum + weights[token]!, 0);
    const floor = minP * weights[few[0]!]!;
    const kept: number[] = [];
    let share = 0;
    for (const token of few) {
      if (kept.length > 0 && (share >= topP * total || weights[token]! < floor)) break;
      kept.push(token);
      share += weights[token]!;
    }
    return kept;
  }
}

export function likeliest(logits: Float64Array): number {
  let best = 0;
  for (let index = 1; index < logits.length; index++) if (logits[index]! > logits[best]!) best = index;
  return best;
}

/** ln Σ exp(logits / temperature) */
export function logSumExp(logits: Float64Array, temperature: number): number {
  const highest = logits[likeliest(logits)]!;
  let sum = 0;
  for (const value of logits) sum += Math.exp((value - highest) / temperature);
  return highest / temperature + Math.log(sum);
}

/** The k likeliest tokens with their untempered log-probabilities, likeliest first. */
export function topLogprobs(logits: Float64Array, k: number): { ids: number[]; logprobs: number[] } {
  const total = logSumExp(logits, 1);
  const ids = Array.from(logits.keys())
    .sort((a, b) => logits[b]! - logits[a]! || a - b)
    .slice(0, k);
  return { ids, logprobs: ids.map((id) => logits[id]! - total) };
}
