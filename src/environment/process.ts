/**
 * `process`: makes `total_steps` groups, several at once, and writes them as JSON lines. Whatever happens (a killed
 * process, a full disk, Ctrl-C, a refused key), what was finished stays, and the same command goes on from there.
 */
import type { ResolvedConfig } from "../config/index.ts";
import { errorMessage, toLachesisError } from "../core/index.ts";
import type { EnvClass } from "./base-env.ts";
import { runAll } from "./engine.ts";
import type { AgentEnvConfig } from "./fields.ts";
import { type GroupRunOptions, runGroup } from "./group-run.ts";
import { ItemNames, type NamedItem } from "./item-source.ts";
import { type OpenRun, openEnvironmentRun, type RunOptions } from "./open-run.ts";
import { Progress } from "./progress.ts";
import { endOfRun } from "./run-end.ts";
import { countUnlogged } from "./unlogged-groups.ts";

/** Runs an environment in `process` mode and gives the exit code. Throws only what kept the run from starting. */
export async function runProcess(
  Env: EnvClass,
  resolved: ResolvedConfig<object>,
  options: RunOptions = {},
): Promise<number> {
  const run = await openEnvironmentRun(Env, resolved, "process", options);
  const { config, totals, control, metrics, env, servers } = run;
  let failure: unknown = null;
  const progress = new Progress(run, "process");
  try {
    totals.plannedGroups = config.total_steps === -1 ? null : config.total_steps;
    totals.planned = totals.plannedGroups === null ? null : totals.plannedGroups * config.group_size;
    const group = groupOptions(run);
    progress.start();
    await countUnlogged(run);
    await runAll({
      next: unfinishedItems(run, config.total_steps),
      run: async (work) => {
        await runGroup(work, group);
        if (metrics.groups >= Math.max(1, config.min_items_sent_before_logging)) await logStep(run);
      },
      concurrency: () => workersOf(run),
      control,
      onRound: (seconds, started) => metrics.round(seconds, started),
    });
    if (!metrics.isEmpty) await logStep(run);
  } catch (error) {
    failure = error;
  }
  progress.stop();
  env.logger.debug({ usage: servers.usage }, "all rollouts ended");
  try {
    return await endOfRun(run, failure === null ? null : toLachesisError(failure), options);
  } finally {
    await run.close();
  }
}

/** The items whose groups are not finished yet, of the first `steps`; −1 is all. */
export function unfinishedItems(
  { env, recorder, totals, config }: OpenRun,
  steps: number,
  names: ItemNames = new ItemNames(),
): () => Promise<NamedItem<unknown> | null> {
  let given = 0;
  let ended = false;
  return async () => {
    while (!ended && (steps === -1 || given < steps)) {
      const item: unknown = await env.getNextItem();
      if (item === null || item === undefined) {
        ended = true;
        // Fewer items than steps: what is shown as planned is what there is.
        totals.plannedGroups = given;
        totals.planned = given * config.group_size;
        return null;
      }
      given++;
      const named = names.name(item);
      if (!recorder.state.groups.has(named.groupId)) return named;
    }
    return null;
  };
}

export function groupOptions(run: OpenRun): GroupRunOptions {
  const { config } = run;
  const temperature = (config as Partial<AgentEnvConfig>).agent_temperature ?? 1;
  return {
    env: run.env,
    recorder: run.recorder,
    totals: run.totals,
    metrics: run.metrics,
    seed: config.seed,
    groupSize: config.group_size,
    dropEqualScores: config.ensure_scores_are_not_same,
    includeMessages: config.include_messages,
    maxTrajectoryTokens: config.max_trajectory_tokens,
    generation: { model: run.servers.modelName, temperature, max_tokens: config.max_token_length },
    tableRollouts: config.num_rollouts_per_group_for_logging,
    member: { ...run.member, split: "train", temperature },
  };
}

/** Groups in flight. */
export function workersOf({ config, servers }: OpenRun): number {
  return config.max_num_workers === -1
    ? config.max_num_workers_per_node * servers.servers.length
    : config.max_num_workers;
}

/** Metrics are about the run; a fault in them, or in the environment's own, does not end it. */
async function logStep({ env, metrics, hub, totals, serverMetrics }: OpenRun): Promise<void> {
  const step = totals.groups;
  try {
    const row = metrics.flush();
    await env.logMetrics(row);
    await hub.log(step, row, serverMetrics());
  } catch (error) {
    env.logger.error({ step, error: errorMessage(error) }, "the metrics of this step could not be logged");
  }
}
