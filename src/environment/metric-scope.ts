/**
 * Which rollout a call of `this.metric` or of a judge belongs to. What a try measures counts only if the try does, and
 * belongs to its own split; so it is kept with the try until its outcome is known. Judgements outlive the try: the same
 * question about the same rollout is paid for once.
 */
import { AsyncLocalStorage } from "node:async_hooks";

export type MeasuredValue = [name: string, value: number];

interface Scope {
  values: MeasuredValue[];
  /** Answers of judges by their questions; null outside of rollouts. */
  judgements: Judgements | null;
}

export type Judgements = Map<string, Promise<unknown>>;

const scope = new AsyncLocalStorage<Scope>();

/** The list of the rollout that is running, or undefined outside of one. */
export function currentMetrics(): MeasuredValue[] | undefined {
  return scope.getStore()?.values;
}

/** The judgements of the rollout that is running; null outside of one. */
export function currentJudgements(): Judgements | null {
  return scope.getStore()?.judgements ?? null;
}

/** Runs `work`; what is measured in it is put into `values`. */
export function measuring<T>(values: MeasuredValue[], work: () => T, judgements: Judgements | null = null): T {
  return scope.run({ values, judgements }, work);
}

/** The mean of each name, or undefined for an empty list. */
export function measuredMeans(values: readonly MeasuredValue[]): Record<string, number> | undefined {
  if (values.length === 0) return undefined;
  const sums: Record<string, { sum: number; count: number }> = {};
  for (const [name, value] of values) {
    if (!Number.isFinite(value)) continue;
    sums[name] ??= { sum: 0, count: 0 };
    sums[name].sum += value;
    sums[name].count++;
  }
  return Object.fromEntries(Object.entries(sums).map(([name, { sum, count }]) => [name, sum / count]));
}
