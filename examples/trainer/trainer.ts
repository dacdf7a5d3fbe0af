/**
 * The loop of the trainer: take a batch, compute, update, save, acknowledge, give the weights to the servers. A batch is
 * acknowledged only when its update is on disk, and one that comes again after a crash is not trained on twice.
 */
import { join, resolve } from "node:path";
import { logger, seededRandom, shuffled } from "lachesis/core";
import type { ScoredGroup } from "lachesis/trajectory";
import { type AdamWOptions, adamW, clipGradient } from "./adamw.ts";
import { type Batch, type BatchSource, fingerprint } from "./batch-source.ts";
import type { Checkpoints, Restored } from "./checkpoint.ts";
import { GradientThreads } from "./gradient-threads.ts";
import { addLoss, type GrpoOptions, noLoss, type TrainingGroup, tokenWeights, trainingGroup } from "./grpo.ts";
import { swapWeights } from "./inference-servers.ts";
import { MetricsFile, type MetricsRow, meanReward } from "./metrics.ts";

export interface TrainerOptions {
  steps: number;
  grpo: GrpoOptions;
  optimizer: AdamWOptions;
  /** Steps over which the learning rate rises from 0. */
  warmupSteps: number;
  /** Updates per batch, each on its share of the groups. */
  updatesPerBatch: number;
  /** Longest gradient. */
  maxGradientNorm: number;
  maxTokens: number;
  /** Groups whose weights are further behind are left out; null: no limit. */
  maxStaleness: number | null;
  threads: number;
  seed: number;
  servers: readonly string[];
  directory: string;
  signal: AbortSignal;
  onStep(row: MetricsRow): void;
}

/** Batches that are known again. A lease that ended may bring one back after others. */
const REMEMBERED = 64;

export class Trainer {
  readonly #options: TrainerOptions;
  readonly #checkpoints: Checkpoints;
  readonly #metrics: MetricsFile;
  readonly #state: Restored;
  readonly #threads: GradientThreads;
  readonly #gradient: Float64Array;
  #version: number | null = null;

  private constructor(options: TrainerOptions, checkpoints: Checkpoints, state: Restored) {
    this.#options = options;
    this.#checkpoints = checkpoints;
    this.#metrics = new MetricsFile(join(options.directory, "metrics.jsonl"));
    this.#threads = new GradientThreads(checkpoints.config, state.weights, options.threads);
    this.#state = { ...state, weights: this.#threads.weights };
    this.#gradient = new Float64Array(state.weights.length);
  }

  /** Goes on from the newest checkpoint and gives its weights to the servers. */
  static async open(options: TrainerOptions, checkpoints: Checkpoints): Promise<Trainer> {
    const state = await checkpoints.restore();
    const trainer = new Trainer(options, checkpoints, state);
    await trainer.#metrics.complete(state.row);
    await trainer.#swap(state.folder);
    return trainer;
  }

  /** Steps done, over all starts. */
  get step(): number {
    return this.#state.step;
  }

  /** Trains until all steps are done. Rejects with the signal's reason when it aborts. */
  async run(source: BatchSource): Promise<void> {
    while (this.#state.step < this.#options.steps) {
      const began = performance.now();
      const batch = await source.next();
      const waited = (performance.now() - began) / 1000;
      if (this.#state.batches.includes(fingerprint(batch.groups))) {
        await source.acknowledge(batch);
        continue;
      }
      const row = await this.#train(batch, waited);
      if (!(await source.acknowledge(batch))) {
        logger.warn({ step: row.step }, "the batch's lease had ended; another trainer may get it as well");
      }
      await this.#swap(this.#state.folder);
      await this.#checkpoints.prune();
      this.#options.onStep(row);
    }
  }

  async close(): Promise<void> {
    await this.#threads.close();
  }

  async #swap(folder: string): Promise<void> {
    this.#version = await swapWeights(this.#options.servers, resolve(folder), this.#options.signal);
  }

  /** One batch: updates, checkpoint, metrics. Afterwards it is safe to acknowledge. */
  async #train({ groups }: Batch, waited: number): Promise<MetricsRow> {
    const began = performance.now();
    const state = this.#state;
    const { optimizer, warmupSteps } = this.#options;
    const step = state.step + 1;
    const learningRate = optimizer.learningRate * Math.min(1, step / Math.max(1, warmupSteps));
    const { usable, skipped } = this.#usable(groups);
    const sums = noLoss();
    let norm = 0;
    const parts = split(usable, this.#options.updatesPerBatch, seededRandom(this.#options.seed + step));
    for (const part of parts) {
      const weights = tokenWeights(part, this.#options.grpo.lossMean);
      const weighed = part.map((group, index) => ({ ...group, weights: weights[index]! }));
      addLoss(sums, await this.#threads.compute(weighed, this.#options.grpo, this.#gradient));
      norm += clipGradient(this.#gradient, this.#options.maxGradientNorm) / parts.length;
      adamW(state.weights, this.#gradient, state.optimizer, this.#checkpoints.parameters.slots, {
        ...optimizer,
        learningRate,
      });
    }
    const { mean, rollouts } = meanReward(groups);
    const row: MetricsRow = {
      step,
      mean_reward: mean,
      groups: groups.length,
      rollouts,
      trained_groups: usable.length,
      skipped,
      trained_tokens: sums.tokens,
      loss: sums.loss / Math.max(1, parts.length),
      gradient_norm: norm,
      learning_rate: learningRate,
      clip_fraction: sums.clipped / Math.max(1, sums.tokens),
      divergence: sums.divergence / Math.max(1, sums.tokens),
      widest_logprob_difference: sums.widest,
      staleness: this.#staleness(groups),
      weight_version: this.#version,
      wait_seconds: waited,
      train_seconds: (performance.now() - began) / 1000,
    };
    const batches = [...state.batches, fingerprint(groups)].slice(-REMEMBERED);
    Object.assign(state, { step, batches, row });
    const { updates } = state.optimizer;
    state.folder = await this.#checkpoints.save({ step, batches, updates, row }, state.weights, state.optimizer);
    await this.#metrics.append(row);
    return row;
  }

  #usable(groups: readonly ScoredGroup[]): { usable: TrainingGroup[]; skipped: Record<string, number> } {
    const usable: TrainingGroup[] = [];
    const skipped: Record<string, number> = {};
    for (const group of groups) {
      const made = this.#isStale(group) ? "stale" : trainingGroup(group, this.#options.maxTokens);
      if (typeof made === "string") skipped[made] = (skipped[made] ?? 0) + 1;
      else usable.push(made);
    }
    return { usable, skipped };
  }

  #isStale({ weight_versions: versions }: ScoredGroup): boolean {
    const { maxStaleness } = this.#options;
    if (maxStaleness === null || this.#version === null || !versions) return false;
    return this.#version - versions[0] > maxStaleness;
  }

  #staleness(groups: readonly ScoredGroup[]): number | null {
    const oldest = groups.flatMap(({ weight_versions: versions }) => (versions ? [versions[0]] : []));
    return this.#version === null || oldest.length === 0 ? null : this.#version - Math.min(...oldest);
  }
}

/** Parts of about the same number of groups; fewer where there are not enough. */
function split<T>(groups: readonly T[], parts: number, random: () => number): T[][] {
  const count = Math.min(parts, groups.length);
  const mixed = count > 1 ? shuffled(groups, random) : [...groups];
  return Array.from({ length: count }, (_, index) => mixed.filter((_group, at) => at % count === index));
}
