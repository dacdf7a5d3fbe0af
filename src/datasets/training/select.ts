/** Which of an item's rollouts become training rows. */
import { isSolved } from "./filter.ts";
import type { ScoredRollout, TokenRow, TrainingGroup } from "./scored-group.ts";

export const SELECTIONS = ["correct", "best", "shortest"] as const;
export type Selection = (typeof SELECTIONS)[number];

export interface SelectOptions {
  /** correct: all with a reward of at least 1. best: those with the highest reward. shortest: of the correct ones the shortest. null: all. */
  select: Selection | null;
  /** Rows per item at most; null is no limit. */
  maxPerItem: number | null;
  /** Take rollouts with a reward of 0 or less, too. */
  allowNegative: boolean;
  /** How much a reward must lie above the lowest of its group; null does not ask. */
  margin: number | null;
}

/** Rewards that are this close are equal: 0.3 − 0.2 is at least 0.1. */
const CLOSE = 1e-9;

/** Best first; of equal rewards the shorter one. */
export function selected({ rollouts, standing }: TrainingGroup, options: SelectOptions): ScoredRollout[] {
  const rewards = rollouts.map(({ reward }) => reward);
  const lowest = Math.min(...rewards);
  const highest = standing?.best ?? Math.max(...rewards);
  const taken = [...rollouts]
    .sort((a, b) => b.reward - a.reward || lengthOf(a) - lengthOf(b))
    .filter(({ reward }) => options.allowNegative || reward > 0)
    .filter(({ reward }) => options.margin === null || reward - lowest > options.margin + CLOSE)
    .filter(
      ({ reward }) => options.select === null || (options.select === "best" ? reward === highest : isSolved(reward)),
    );
  if (options.select !== "shortest") return taken;
  return standing?.hasShortest === false ? [] : taken.sort((a, b) => lengthOf(a) - lengthOf(b)).slice(0, 1);
}

/** True where the better one is better, by at least the margin. */
export function isApart(better: ScoredRollout, worse: ScoredRollout, margin: number | null): boolean {
  const difference = better.reward - worse.reward;
  return difference > 0 && difference >= (margin ?? 0) - CLOSE;
}

/** Tokens of its sequences; of a rollout without any, characters of its messages. */
export function lengthOf({ conversations }: ScoredRollout): number {
  return conversations.reduce(
    (sum, { messages, sequences }) => sum + (tokensOf(sequences) || JSON.stringify(messages).length),
    0,
  );
}

function tokensOf(sequences: readonly TokenRow[]): number {
  return sequences.reduce((sum, { tokens }) => sum + tokens.length, 0);
}
