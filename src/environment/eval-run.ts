/**
 * `runEval`: every item goes through the whole loop, as often as asked, at once as many as configured. Each attempt is
 * recorded when it ends and never made twice; the metrics are computed from the records, those of earlier processes
 * included. Nothing here touches the metrics of training.
 */
import { deriveSeed } from "../core/index.ts";
import { type Attempt, type EvalMetrics, evalMetrics, type Recorder, type RolloutRecord } from "../evaluation/index.ts";
import type { BaseEnv } from "./base-env.ts";
import { runAll } from "./engine.ts";
import { ItemNames, type NamedItem } from "./item-source.ts";
import { type MemberOptions, runMember } from "./member.ts";
import { recordOf, sampleOf } from "./rollout-record.ts";
import type { RunTotals } from "./run-totals.ts";

export interface EvalOptions {
  /** Attempts per item. Default `env.eval_attempts`. */
  attempts?: number;
  /** Default `env.eval_temperature`. */
  temperature?: number;
  /** Tells evaluations of several sets in one run apart; in front of ids, and in the metrics' task name. */
  name?: string;
  /** Category of an item, for rates per category. Default: its `category`, else its `kind`, where that is a text. */
  // biome-ignore lint/suspicious/noExplicitAny: items are of the environment's own type
  category?: (item: any) => string | null | undefined;
  /** Whether a reward counts as passed. Default: at least 1. */
  pass?: (reward: number) => boolean;
}

export interface EvalRunSettings {
  recorder: Recorder;
  totals: RunTotals;
  seed: number;
  attempts: number;
  temperature: number;
  concurrency: number;
  maxTrajectoryTokens: number | null;
  member: Omit<MemberOptions, "tools" | "onRetry" | "split" | "temperature">;
}

interface AttemptWork extends NamedItem<unknown> {
  attempt: number;
  category: string | null;
}

export async function runEvaluation(
  env: BaseEnv,
  items: Iterable<unknown> | AsyncIterable<unknown>,
  options: EvalOptions,
  settings: EvalRunSettings,
): Promise<EvalMetrics> {
  const attempts = options.attempts ?? settings.attempts;
  const temperature = options.temperature ?? settings.temperature;
  const { control } = settings.member;
  const records: RolloutRecord[] = [];
  const { recorder, totals } = settings;
  if (Array.isArray(items)) totals.planned = (totals.planned ?? 0) + items.length * attempts;

  const source = attemptsOf(items, attempts, options);
  const next = async (): Promise<AttemptWork | null> => {
    for (;;) {
      const { value, done } = await source.next();
      if (done) return null;
      const earlier = recorder.state.rollouts.get(idOf(value));
      if (!earlier) return value;
      records.push(earlier);
    }
  };
  const run = async (work: AttemptWork): Promise<void> => {
    const seed = deriveSeed(settings.seed, "eval", work.groupId);
    const identity = {
      id: idOf(work),
      itemId: work.itemId,
      groupId: work.groupId,
      member: work.attempt,
      seed: deriveSeed(seed, work.attempt),
    };
    const tools = await env.resolveTools(work.item, seed);
    const end = await runMember(identity, (rollout) => env.evaluateItem(work.item, rollout), {
      ...settings.member,
      split: "eval",
      temperature,
      tools,
      onRetry: (record) => {
        totals.retries++;
        totals.usage(record.usage);
        recorder.retry(record).catch((error) => env.logger.debug({ error: String(error) }, "retry not recorded"));
      },
    });
    if (end === null) return;
    const split = "eval" as const;
    const record = { ...recordOf(identity, end, settings.maxTrajectoryTokens, work.category), split };
    records.push(await recorder.rollout(record, sampleOf(record, end.trajectory, tools?.schemas ?? null)));
    totals.rollout(record);
  };
  await runAll({ next, run, concurrency: () => settings.concurrency, control });
  // Numbers of a part of the attempts would look like numbers of all.
  if (control.stopped) throw control.stopped;
  return evalMetrics(records.map(attemptOf), { attempts, ...(options.pass && { pass: options.pass }) });
}

/** Items that share an id are told apart by their group id: taken for one, they would have too many attempts. */
function attemptOf({ group_id, outcome, category, metrics }: RolloutRecord): Attempt {
  return { item_id: group_id, outcome, category: category ?? null, ...(metrics && { metrics }) };
}

/** Every attempt of every item, item by item: attempts at one item share their prompt, which servers cache. */
async function* attemptsOf(
  items: Iterable<unknown> | AsyncIterable<unknown>,
  attempts: number,
  options: EvalOptions,
): AsyncGenerator<AttemptWork, undefined> {
  const names = new ItemNames(options.name ? `${options.name}:` : "");
  const categoryOf = options.category ?? ownCategory;
  for await (const item of items) {
    const named = names.name(item);
    const category = categoryOf(item) ?? null;
    for (let attempt = 0; attempt < attempts; attempt++) yield { ...named, attempt, category };
  }
  return undefined;
}

function idOf({ groupId, attempt }: AttemptWork): string {
  return `${groupId}/${attempt}`;
}

function ownCategory(item: unknown): string | null {
  if (typeof item !== "object" || item === null) return null;
  const { category, kind } = item as { category?: unknown; kind?: unknown };
  return typeof category === "string" ? category : typeof kind === "string" ? kind : null;
}
