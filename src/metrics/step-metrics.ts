/**
 * What is measured between two lines of `metrics.jsonl`. Names are those of the reference: `train/completion_lengths`,
 * `train_perf/task_duration_mean` and so on; an environment's own names get the prefix of their split. A rollout counts
 * in the step in which its group is finished, with the group: each is in one line only, and the lines' counts add up to the run's.
 */
import { rolloutTable, type TableGroup } from "./rollout-table.ts";
import type { MetricRow } from "./sink.ts";
import { spreadOf } from "./spread.ts";
import { type ToolErrorFacts, toolErrorLines } from "./tool-errors.ts";

/** What one rollout of a finished group adds. */
export interface RolloutFacts {
  completionTokens: number;
  /** null when it was not scored. */
  reward: number | null;
  aborted: boolean;
  toolErrors: readonly ToolErrorFacts[];
  metrics: Record<string, number>;
}

export interface GroupFacts {
  /** null where nobody knows any more: the group was finished by a process that did not live to log it. */
  seconds: number | null;
  /** Whether it was sent or written; false: filtered. */
  sent: boolean;
  /** Sequences in it. */
  items: number;
  table: TableGroup | null;
  rollouts: readonly RolloutFacts[];
}

export interface StepMetricsOptions {
  /** Prefix of the environment's own names. */
  split: "train" | "eval";
  /** Groups in the rollout table. */
  tableGroups: number;
}

export class StepMetrics {
  readonly #options: StepMetricsOptions;
  #lengths: number[] = [];
  #rewards: number[] = [];
  #rollouts = 0;
  #aborted = 0;
  #toolErrors: ToolErrorFacts[] = [];
  #own = new Map<string, { sum: number; count: number }>();
  #groups = 0;
  #durations: { seconds: number; sent: boolean }[] = [];
  #sent = 0;
  #rejected = 0;
  #rounds: { seconds: number; started: number }[] = [];
  #table: TableGroup[] = [];

  constructor(options: StepMetricsOptions) {
    this.#options = options;
  }

  /** Groups since the last flush. */
  get groups(): number {
    return this.#groups;
  }

  get isEmpty(): boolean {
    return this.#groups === 0 && this.#own.size === 0;
  }

  /** A value of the environment's own; averaged over the step. */
  add(name: string, value: number): void {
    if (!Number.isFinite(value)) return;
    const known = this.#own.get(name);
    if (known) {
      known.sum += value;
      known.count++;
    } else this.#own.set(name, { sum: value, count: 1 });
  }

  /** A finished group with its rollouts. */
  group(facts: GroupFacts): void {
    this.#groups++;
    for (const rollout of facts.rollouts) this.#rollout(rollout);
    if (facts.seconds !== null) this.#durations.push({ seconds: facts.seconds, sent: facts.sent });
    if (facts.sent) this.#sent += facts.items;
    else this.#rejected += facts.items;
    const keep = this.#options.tableGroups;
    if (!facts.table || keep === 0) return;
    this.#table.push(facts.table);
    if (keep > 0 && this.#table.length > keep) this.#table.shift();
  }

  /** One round of the scheduler: how long it took and how many groups it started. */
  round(seconds: number, started: number): void {
    this.#rounds.push({ seconds, started });
  }

  /** Means of the environment's own values so far. */
  own(): MetricRow {
    const { split } = this.#options;
    const row: MetricRow = {};
    for (const [name, { sum, count }] of this.#own) row[name.includes("/") ? name : `${split}/${name}`] = sum / count;
    return row;
  }

  /** The row of the step; afterwards everything is counted anew. */
  flush(): MetricRow {
    const { split } = this.#options;
    const row: MetricRow = {};
    const lengths = spreadOf(this.#lengths);
    if (lengths) {
      row[`${split}/completion_lengths`] = lengths.mean;
      row[`${split}/completion_lengths_std`] = lengths.std;
      row[`${split}/completion_lengths_max`] = lengths.max;
      row[`${split}/completion_lengths_min`] = lengths.min;
      row[`${split}/completion_lengths_p95`] = lengths.p95;
    }
    const rewards = spreadOf(this.#rewards);
    if (rewards) {
      row[`${split}/reward_mean`] = rewards.mean;
      row[`${split}/reward_std`] = rewards.std;
    }
    row[`${split}/groups`] = this.#groups;
    row[`${split}/rollouts_finished`] = this.#rollouts;
    row[`${split}/rollouts_scored`] = this.#rewards.length;
    if (this.#rollouts > 0) row[`${split}/infra_error_rate`] = this.#aborted / this.#rollouts;
    row[`${split}/tool_errors_count`] = this.#toolErrors.length;
    if (this.#toolErrors.length > 0) row[`${split}/tool_error_details`] = toolErrorLines(this.#toolErrors);
    if (this.#table.length > 0) row[`${split}/rollouts`] = rolloutTable(this.#table);
    row[`${split}/items_sent_to_api`] = this.#sent;
    row[`${split}/items_rejected`] = this.#rejected;
    this.#performance(row);
    Object.assign(row, this.own());
    this.#clear();
    return row;
  }

  #rollout(facts: RolloutFacts): void {
    this.#rollouts++;
    if (facts.aborted) this.#aborted++;
    else this.#lengths.push(facts.completionTokens);
    if (facts.reward !== null) this.#rewards.push(facts.reward);
    this.#toolErrors.push(...facts.toolErrors);
    for (const [name, value] of Object.entries(facts.metrics)) this.add(name, value);
  }

  #performance(row: MetricRow): void {
    const seconds = (wanted: boolean | null) =>
      this.#durations.filter(({ sent }) => wanted === null || sent === wanted).map((task) => task.seconds);
    const lists: Record<string, number[]> = {
      task_duration: seconds(null),
      succeeded_task_duration: seconds(true),
      failed_task_duration: seconds(false),
      mainloop_timings: this.#rounds.map((round) => round.seconds),
      workers_added_per_attempt: this.#rounds.map((round) => round.started),
    };
    for (const [name, values] of Object.entries(lists)) {
      const spread = spreadOf(values);
      if (!spread) continue;
      for (const key of ["mean", "std", "max", "min"] as const) {
        row[`${this.#options.split}_perf/${name}_${key}`] = spread[key];
      }
    }
  }

  #clear(): void {
    this.#lengths = [];
    this.#rewards = [];
    this.#rollouts = 0;
    this.#aborted = 0;
    this.#toolErrors = [];
    this.#own.clear();
    this.#groups = 0;
    this.#durations = [];
    this.#sent = 0;
    this.#rejected = 0;
    this.#rounds = [];
    this.#table = [];
  }
}
