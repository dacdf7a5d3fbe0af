/** What is written down of every step: one JSON line, and a line for people. */
import { appendFile, readFile } from "node:fs/promises";
import { isErrno } from "lachesis/core";
import type { ScoredGroup } from "lachesis/trajectory";

export interface MetricsRow {
  step: number;
  /** Over all rollouts of the batch, those without a gradient included. */
  mean_reward: number;
  groups: number;
  rollouts: number;
  /** Groups with a gradient. */
  trained_groups: number;
  /** Groups without, by reason. */
  skipped: Record<string, number>;
  trained_tokens: number;
  loss: number;
  gradient_norm: number;
  learning_rate: number;
  /** Share of tokens outside the ratio's bounds. */
  clip_fraction: number;
  /** Estimated divergence from the policy that sampled, per token. */
  divergence: number;
  /** Largest difference of a token's log-probability between sampling and training. */
  widest_logprob_difference: number;
  /** How many versions the oldest weights of the batch lie behind; null where groups do not say. */
  staleness: number | null;
  /** The version that these weights got at the inference server; null without one. */
  weight_version: number | null;
  wait_seconds: number;
  train_seconds: number;
}

/** Mean over rollouts; several sequences of one rollout count once. */
export function meanReward(groups: readonly ScoredGroup[]): { mean: number; rollouts: number } {
  const rewards = groups.flatMap(({ scores, rollout_ids: ids }) => [
    ...new Map(scores.map((score, index) => [ids?.[index] ?? index, score])).values(),
  ]);
  return {
    mean: rewards.reduce((sum, reward) => sum + reward, 0) / Math.max(1, rewards.length),
    rollouts: rewards.length,
  };
}

export class MetricsFile {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  async append(row: MetricsRow): Promise<void> {
    await appendFile(this.#path, `${JSON.stringify(row)}\n`, { flush: true });
  }

  /** The rows so far; a torn last line does not count. */
  async rows(): Promise<MetricsRow[]> {
    let text: string;
    try {
      text = await readFile(this.#path, "utf8");
    } catch (error) {
      if (isErrno(error) && error.code === "ENOENT") return [];
      throw error;
    }
    return text
      .slice(0, text.lastIndexOf("\n") + 1)
      .split("\n")
      .filter(Boolean)
      .map((line) => JSON.parse(line) as MetricsRow);
  }

  /** Adds the row of a step that was saved, but not written down before the trainer was killed. */
  async complete(row: MetricsRow | null): Promise<void> {
    if (row && !(await this.rows()).some(({ step }) => step === row.step)) await this.append(row);
  }
}

export function lineOf(row: MetricsRow, steps: number): string {
  const { step, mean_reward, trained_groups, groups, loss, gradient_norm, wait_seconds, train_seconds } = row;
  const parts = [
    `step ${String(step).padStart(String(steps).length)}/${steps}`,
    `reward ${mean_reward.toFixed(3)}`,
    `groups ${trained_groups}/${groups}`,
    `loss ${loss.toFixed(4)}`,
    `gradient ${gradient_norm.toFixed(2)}`,
    ...(row.staleness === null ? [] : [`staleness ${row.staleness}`]),
    `waited ${wait_seconds.toFixed(1)} s`,
    `trained ${train_seconds.toFixed(1)} s`,
  ];
  return parts.join("  ");
}
