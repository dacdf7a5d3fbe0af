/**
 * Group-relative policy optimisation (Shao et al., 2024): a rollout's advantage is its reward measured against the other
 * rollouts of its item, and each sampled token is pushed by it through a clipped importance ratio. Whatever a group
 * leaves out (null) has a meaning: no log-probabilities, the ratio is 1; no advantages, they come from the scores.
 */
import type { ScoredGroup } from "lachesis/trajectory";

export interface GrpoOptions {
  /** How far the ratio may go above and below 1 before a token is no longer pushed. */
  clip: number;
  /** Above 1; as `clip` where they should be the same. */
  clipHigh: number;
  /** The ratio beyond which a token with a negative advantage is no longer pushed either (dual clip, Ye et al., 2020). */
  ratioLimit: number;
  /** token: each token of the batch weighs the same; sequence: each sequence does. */
  lossMean: "token" | "sequence";
  /** Weight of the pull back to the policy that sampled; 0 is off. */
  kl: number;
}

/** One sequence as the gradient needs it. Lists are by trained token. */
export interface TrainingSequence {
  tokens: number[];
  trained: number[];
  advantages: number[];
  /** null: what the present weights say, so that the ratio is 1. */
  inferenceLogprobs: number[] | null;
}

/** Sequences that are computed together, because they begin alike. */
export interface TrainingGroup {
  sequences: TrainingSequence[];
}

/** Why a group gives no gradient. */
export type Skipped = "equal_scores" | "nothing_trained" | "too_long";

const DEVIATION_FLOOR = 1e-4;

/** (score − mean) / (deviation + floor) by sequence. Several sequences of one rollout count once in mean and deviation. */
export function advantagesOf(scores: readonly number[], rolloutIds: readonly string[] | null): number[] {
  const once = new Map(scores.map((score, index) => [rolloutIds?.[index] ?? String(index), score]));
  const values = [...once.values()];
  const mean = values.reduce((sum, score) => sum + score, 0) / values.length;
  const variance = values.reduce((sum, score) => sum + (score - mean) ** 2, 0) / values.length;
  return scores.map((score) => (score - mean) / (Math.sqrt(variance) + DEVIATION_FLOOR));
}

/** What of a group can be trained on. Sequences longer than `maxTokens` are left out. */
export function trainingGroup(group: ScoredGroup, maxTokens: number): TrainingGroup | Skipped {
  const own = group.advantages ?? null;
  const shared = advantagesOf(group.scores, group.rollout_ids ?? null);
  if (own === null && shared.every((advantage) => advantage === 0)) return "equal_scores";
  let tooLong = 0;
  const sequences = group.tokens.flatMap((tokens, index): TrainingSequence[] => {
    if (tokens.length > maxTokens) {
      tooLong++;
      return [];
    }
    if (group.overrides?.[index]?.set_advantage_to_zero) return [];
    const masks = group.masks[index]!;
    const advantage = (at: number) => (own ? (own[index]?.[at] ?? 0) : shared[index]!);
    const trained = tokens.flatMap((_, at) => (at > 0 && masks[at] !== -100 && advantage(at) !== 0 ? [at] : []));
    if (trained.length === 0) return [];
    const logprobs = group.inference_logprobs?.[index];
    return [
      {
        tokens,
        trained,
        advantages: trained.map(advantage),
        inferenceLogprobs: logprobs ? trained.map((at) => logprobs[at]!) : null,
      },
    ];
  });
  if (sequences.length > 0) return { sequences };
  return tooLong > 0 ? "too_long" : "nothing_trained";
}

/** [group][sequence] what one of its tokens weighs, so that all together weigh 1. */
export function tokenWeights(groups: readonly TrainingGroup[], mean: GrpoOptions["lossMean"]): number[][] {
  const all = groups.flatMap(({ sequences }) => sequences);
  const tokens = all.reduce((sum, { trained }) => sum + trained.length, 0);
  return groups.map(({ sequences }) =>
    sequences.map(({ trained }) => (mean === "token" ? 1 / tokens : 1 / (all.length * trained.length))),
  );
}

/** Sums over tokens, for the report of a step. */
export interface LossSums {
  tokens: number;
  loss: number;
  clipped: number;
  /** Σ of the estimator r − 1 − ln r of the divergence from the policy that sampled. */
  divergence: number;
  /** Largest |new − inference| log-probability. */
  widest: number;
}

export function noLoss(): LossSums {
  return { tokens: 0, loss: 0, clipped: 0, divergence: 0, widest: 0 };
}

export function addLoss(to: LossSums, more: LossSums): void {
  to.tokens += more.tokens;
  to.loss += more.loss;
  to.clipped += more.clipped;
  to.divergence += more.divergence;
  to.widest = Math.max(to.widest, more.widest);
}

/**
 * The loss's derivative by the log-probability of each trained token; adds to the sums. The loss of a token is
 * −min(r · A, clip(r) · A), with r = exp(new − inference), at most ratioLimit · |A|, and kl · (exp(−x) − 1 + x), with x = new − inference.
 */
export function lossFlow(
  logprobs: Float64Array,
  { advantages, inferenceLogprobs }: TrainingSequence,
  weight: number,
  options: GrpoOptions,
  sums: LossSums,
): Float64Array {
  const flow = new Float64Array(logprobs.length);
  for (let at = 0; at < logprobs.length; at++) {
    const advantage = advantages[at]!;
    const difference = inferenceLogprobs ? logprobs[at]! - inferenceLogprobs[at]! : 0;
    const ratio = Math.exp(difference);
    const outside =
      advantage > 0 ? ratio > 1 + options.clipHigh : ratio < 1 - options.clip || ratio > options.ratioLimit;
    const bounded = Math.min(1 + options.clipHigh, Math.max(1 - options.clip, ratio));
    const pull = options.kl * (1 - Math.exp(-difference));
    flow[at] = weight * ((outside ? 0 : -advantage * ratio) + pull);
    const divergence = Math.exp(-difference) - 1 + difference;
    sums.tokens++;
    const gain = Math.min(ratio * advantage, bounded * advantage);
    const limited = advantage < 0 ? Math.max(gain, options.ratioLimit * advantage) : gain;
    sums.loss += weight * (-limited + options.kl * divergence);
    sums.divergence += divergence;
    if (outside) sums.clipped++;
    sums.widest = Math.max(sums.widest, Math.abs(difference));
  }
  return flow;
}
