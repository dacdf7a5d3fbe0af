/**
 * The metrics of an evaluation. Only scored attempts count in means and rates; how many were not scored, and for whose
 * fault, stands beside them. A value that cannot be estimated is left out rather than given as 0.
 */
import type { Outcome } from "./outcome.ts";
import { clusteredMean, type Estimate, meanOverItems, passAtK, passPowerK, rateInterval } from "./statistics.ts";

/** What the metrics need to know of one attempt. */
export interface Attempt {
  item_id: string;
  outcome: Outcome;
  category?: string | null;
  /** What the environment measured with `this.metric`; counted where the attempt was scored. */
  metrics?: Record<string, number>;
}

export interface EvalMetricsOptions {
  /** Attempts that each item should have. */
  attempts: number;
  /** Whether a scored attempt passed. Default: reward at least 1. */
  pass?: (reward: number) => boolean;
}

/** Rewards are often sums of parts such as 0.6 + 0.3 + 0.1, which miss 1 by rounding. */
const ROUNDING = 1e-9;

export type EvalMetrics = Record<string, number | [number, number]>;

/**
 * @example
 * evalMetrics(attempts, { attempts: 4 })["eval/pass@4"]
 */
export function evalMetrics(attempts: readonly Attempt[], options: EvalMetricsOptions): EvalMetrics {
  const pass = options.pass ?? ((reward: number) => reward >= 1 - ROUNDING);
  const metrics: EvalMetrics = {};
  const put = (name: string, estimate: Estimate) => {
    if (estimate.mean !== null) metrics[name] = estimate.mean;
    if (estimate.stderr !== null) metrics[`${name}_stderr`] = estimate.stderr;
  };
  const items = byItem(attempts);
  const rewards = items.map(scoredRewards);
  const passes = rewards.map((values) => values.map((reward) => (pass(reward) ? 1 : 0)));
  const passRate = clusteredMean(passes);

  put("eval/mean_reward", clusteredMean(rewards));
  put("eval/pass_rate", passRate);
  const interval = rateInterval(passRate);
  if (interval) metrics["eval/pass_rate_ci95"] = interval;
  for (const k of reportedK(options.attempts)) {
    const counts = passes.map((values) => [values.length, values.filter((value) => value === 1).length] as const);
    put(`eval/pass@${k}`, meanOverItems(counts.map(([n, c]) => passAtK(n, c, k))));
    put(`eval/pass^${k}`, meanOverItems(counts.map(([n, c]) => passPowerK(n, c, k))));
  }
  put(
    "eval/infra_error_rate",
    shareOf(items, (outcome) => outcome.kind === "aborted"),
  );
  put(
    "eval/unscored_rate",
    shareOf(items, (outcome) => outcome.kind === "unscored"),
  );
  for (const [category, passRates] of byCategory(attempts, pass)) put(`eval/pass_rate_${category}`, passRates);
  for (const [name, estimate] of environmentMetrics(items)) put(name, estimate);
  metrics["eval/n"] = attempts.filter(({ outcome }) => outcome.kind === "scored").length;
  metrics["eval/n_attempted"] = attempts.length;
  metrics["eval/n_items"] = items.length;
  return metrics;
}

/** 1, powers of two and the number of attempts itself; every k while there are few. */
function reportedK(attempts: number): number[] {
  const ks = new Set([1, attempts]);
  for (let k = 2; k < attempts; k = attempts <= 8 ? k + 1 : k * 2) ks.add(k);
  return [...ks].sort((a, b) => a - b);
}

function byItem(attempts: readonly Attempt[]): Attempt[][] {
  const items = new Map<string, Attempt[]>();
  for (const attempt of attempts) {
    const known = items.get(attempt.item_id);
    if (known) known.push(attempt);
    else items.set(attempt.item_id, [attempt]);
  }
  return [...items.values()];
}

function scoredRewards(attempts: readonly Attempt[]): number[] {
  return attempts.flatMap(({ outcome }) => (outcome.kind === "scored" ? [outcome.reward] : []));
}

function shareOf(items: readonly Attempt[][], is: (outcome: Outcome) => boolean): Estimate {
  return clusteredMean(items.map((item) => item.map(({ outcome }) => (is(outcome) ? 1 : 0))));
}

function* byCategory(attempts: readonly Attempt[], pass: (reward: number) => boolean): Generator<[string, Estimate]> {
  const categories = new Set(attempts.map(({ category }) => category).filter((category) => category != null));
  for (const category of [...categories].sort()) {
    const items = byItem(attempts.filter((attempt) => attempt.category === category));
    yield [category, clusteredMean(items.map((item) => scoredRewards(item).map((reward) => (pass(reward) ? 1 : 0))))];
  }
}

function* environmentMetrics(items: readonly Attempt[][]): Generator<[string, Estimate]> {
  const scored = items.map((item) => item.filter(({ outcome }) => outcome.kind === "scored"));
  const names = new Set(scored.flat().flatMap(({ metrics }) => Object.keys(metrics ?? {})));
  for (const name of [...names].sort()) {
    const values = scored.map((item) => item.flatMap(({ metrics }) => metrics?.[name] ?? []));
    yield [name.includes("/") ? name : `eval/${name}`, clusteredMean(values)];
  }
}
