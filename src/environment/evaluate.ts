/**
 * `evaluate`: runs the environment's `evaluate()` and writes the evaluate_log form. Samples are written as they end, so
 * an interrupted evaluation goes on where it was; its numbers come from all samples, whichever process made them.
 */
import type { ResolvedConfig } from "../config/index.ts";
import { toLachesisError } from "../core/index.ts";
import {
  copyEvaluateLog,
  type EvalMetrics,
  type EvaluateLog,
  evaluateTable,
  writeEvaluateConfig,
  writeMetrics,
} from "../evaluation/index.ts";
import type { MetricRow } from "../metrics/index.ts";
import type { EnvClass } from "./base-env.ts";
import { openEnvironmentRun, type RunOptions } from "./open-run.ts";
import { Progress } from "./progress.ts";
import { endOfRun } from "./run-end.ts";

/** Runs an environment in `evaluate` mode and gives the exit code. Throws only what kept the run from starting. */
export async function runEvaluate(
  Env: EnvClass,
  resolved: ResolvedConfig<object>,
  options: RunOptions = {},
): Promise<number> {
  const run = await openEnvironmentRun(Env, resolved, "evaluate", options);
  const { config, env, directory, control, metrics, hub, servers } = run;
  const started = performance.now();
  let failure: unknown = null;
  let log: EvaluateLog | null = null;
  const progress = new Progress(run, "evaluate");
  try {
    await writeEvaluateConfig(directory.path, run.publicConfig);
    progress.start();
    const result = await control.unlessLeft(env.evaluate());
    const row: MetricRow = { ...metrics.own(), ...evaluationNumbers(result) };
    await env.logMetrics(row);
    log = {
      task: `${Env.name}_eval`,
      model: servers.modelName,
      metrics: { ...(row as EvalMetrics) },
      seconds: (performance.now() - started) / 1000,
      generation: { temperature: config.eval_temperature, max_new_tokens: config.max_token_length },
    };
    await writeMetrics(directory.path, log);
    if (config.data_dir_to_save_evals !== null) await copyEvaluateLog(directory.path, config.data_dir_to_save_evals);
    await hub.log(0, row, run.serverMetrics());
  } catch (error) {
    if (!control.interrupted) failure = error;
  }
  progress.stop();
  try {
    if (log) run.print(`\n${evaluateTable(log)}`);
    return await endOfRun(run, failure === null ? null : toLachesisError(failure), options);
  } finally {
    await run.close();
  }
}

/** Numbers and intervals; what else `evaluate()` returned is for its caller. */
export function evaluationNumbers(result: Record<string, unknown> | undefined): MetricRow {
  const row: MetricRow = {};
  for (const [name, value] of Object.entries(result ?? {})) {
    const isInterval = Array.isArray(value) && value.every((part) => typeof part === "number");
    if (typeof value === "number" || isInterval) row[name.includes("/") ? name : `eval/${name}`] = value as number;
  }
  return row;
}
