/**
 * What the modes have in common: the run directory with its journal, the servers, the environment, the
 * way of stopping. `close` ends all of it, in the reverse order, and is bounded in time.
 */
import { publicConfig, type ResolvedConfig } from "../config/index.ts";
import { errorMessage, LachesisError, logger, systemClock } from "../core/index.ts";
import { groupsPathOf, openRun, Recorder, type RunDirectory, type RunMode } from "../evaluation/index.ts";
import { ServerManager } from "../inference/server-manager.ts";
import { FileSink, MetricHub, type MetricRow, type MetricSink, StepMetrics } from "../metrics/index.ts";
import type { BaseEnv, EnvClass, EnvContext } from "./base-env.ts";
import { runEvaluation } from "./eval-run.ts";
import type { BaseEnvConfig } from "./fields.ts";
import { judgeServer } from "./judge-server.ts";
import type { MemberOptions } from "./member.ts";
import { openSession } from "./open-session.ts";
import { reachServers } from "./reach-servers.ts";
import { RunControl } from "./run-control.ts";
import { RunTotals } from "./run-totals.ts";
import { serverMetrics } from "./server-metrics.ts";

/** What a mode is told beside its configuration. */
export interface RunOptions {
  /** `--run-dir`; null: a new directory under runs/. */
  runDir?: string | null;
  /** `--resume`: continue the newest run of the same environment and configuration. */
  resume?: boolean;
  /** The command as it was typed, for the advice at the end. */
  argv?: readonly string[];
  /** Aborts at Ctrl-C. */
  signal?: AbortSignal;
  /** Where results are printed. Default standard output. */
  print?: (text: string) => void;
  /** Metrics go there as well as to the run's own file. */
  sinks?: readonly MetricSink[];
}

export interface OpenRun {
  env: BaseEnv;
  name: string;
  config: BaseEnvConfig;
  publicConfig: Record<string, unknown>;
  directory: RunDirectory;
  recorder: Recorder;
  servers: ServerManager;
  control: RunControl;
  totals: RunTotals;
  hub: MetricHub;
  /** Of the split that the mode is about. */
  metrics: StepMetrics;
  /** Numbers of the inference servers, and how their limits changed since the last call. */
  serverMetrics(): MetricRow;
  /** Where evaluations go: in `serve` there are several in a run, told apart by a prefix of their ids. */
  evaluation: { prefix: string; totals: RunTotals };
  /** What every rollout of the run shares. */
  member: Omit<MemberOptions, "tools" | "onRetry" | "split" | "temperature">;
  print(text: string): void;
  close(): Promise<void>;
}

const STOP_HOOK_MS = 10_000;

/** Opens everything, and calls the environment's `validate`, `setup` and `onStart`. Throws what is wrong; then nothing is left open. */
export async function openEnvironmentRun(
  Env: EnvClass,
  resolved: ResolvedConfig<object>,
  mode: RunMode,
  options: RunOptions,
): Promise<OpenRun> {
  const shown = publicConfig(resolved, Env.Config);
  const config = resolved.env as BaseEnvConfig & { price_table?: Record<string, never> | null };
  const directory = await openRun(
    { environment: Env.name, mode, config: shown },
    { directory: options.runDir ?? null, resume: options.resume ?? false },
  );
  const closers: (() => Promise<unknown> | unknown)[] = [() => directory.release()];
  const close = async () => {
    for (const closer of closers.reverse()) {
      try {
        await closer();
      } catch (error) {
        logger.error({ error: errorMessage(error) }, "something could not be closed at the end of the run");
      }
    }
    closers.length = 0;
  };
  try {
    const groups = mode !== "evaluate" ? await groupsPathOf(directory, config.data_path_to_save_groups) : null;
    const recorder = await Recorder.open(directory, groups);
    closers.push(() => recorder.close());
    const control = new RunControl();
    const forget = cancelOn(options.signal, control);
    closers.push(forget);
    const serverOptions = {
      maxNCompletions: resolved.max_n_completions,
      weight: config.inference_weight,
      ...(config.price_table && { priceTable: config.price_table }),
      reasoning: {
        thinking_mode: config.thinking_mode,
        reasoning_effort: config.reasoning_effort,
        max_reasoning_tokens: config.max_reasoning_tokens,
        custom_thinking_prompt: config.custom_thinking_prompt,
      },
    };
    const servers = new ServerManager(resolved.openai, serverOptions);
    closers.push(() => servers.close());
    const judge = resolved.judge === null ? null : new ServerManager(resolved.judge, serverOptions);
    if (judge) closers.push(() => judge.close());
    const hub = new MetricHub([new FileSink(`${directory.path}/metrics.jsonl`), ...(options.sinks ?? [])]);
    closers.push(() => hub.close());
    hub.prefix = config.wandb_name ?? Env.name;
    const metrics = new StepMetrics({
      split: mode === "evaluate" ? "eval" : "train",
      tableGroups: config.num_rollouts_to_keep,
    });
    const totals = totalsOf(recorder, mode);
    const evaluation = { prefix: "", totals: mode === "evaluate" ? totals : new RunTotals() };
    const requestRetries = Math.max(...resolved.openai.map((server) => server.max_retries));
    const member: OpenRun["member"] = {
      control,
      clock: systemClock,
      requestRetries,
      openSession: await control.unlessStopped(openSession(servers, resolved)),
      rolloutRetries: config.rollout_retries,
      timeoutMs: config.worker_timeout === -1 ? null : config.worker_timeout * 1000,
    };
    const context: EnvContext = {
      config: resolved.env,
      mode,
      seed: config.seed,
      server: judge ? judgeServer(judge) : servers,
      logger,
      runDir: directory.path,
      metric: (name, value) => metrics.add(name, value),
      runEval: (env, items, evalOptions) =>
        runEvaluation(
          env,
          items,
          { ...evalOptions, name: `${evaluation.prefix}${evalOptions.name ?? ""}` },
          {
            recorder,
            totals: evaluation.totals,
            seed: config.seed,
            attempts: config.eval_attempts,
            temperature: config.eval_temperature,
            concurrency: config.max_eval_workers,
            maxTrajectoryTokens: config.max_trajectory_tokens,
            member,
          },
        ),
    };
    const env = new Env(context);
    await control.unlessStopped(env.validate());
    closers.push(() => withinTime(env.onStop(), STOP_HOOK_MS));
    await control.unlessStopped(env.setup());
    await control.unlessStopped(env.onStart());
    await control.unlessStopped(reachServers(resolved.openai, control));
    return {
      env,
      name: Env.name,
      config,
      publicConfig: shown,
      directory,
      recorder,
      servers,
      control,
      totals,
      hub,
      metrics,
      serverMetrics: serverMetrics(servers),
      evaluation,
      member,
      print: options.print ?? ((text) => void process.stdout.write(`${text}\n`)),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

function cancelOn(signal: AbortSignal | undefined, control: RunControl): () => void {
  const cancel = () => control.cancel(new LachesisError("cancelled", "The run was interrupted."));
  if (signal?.aborted) cancel();
  signal?.addEventListener("abort", cancel, { once: true });
  return () => signal?.removeEventListener("abort", cancel);
}

/** The numbers of what earlier processes of this run finished. */
function totalsOf(recorder: Recorder, mode: RunMode): RunTotals {
  const totals = new RunTotals();
  const own = [...recorder.state.rollouts.values()].filter(({ split }) => mode === "evaluate" || split !== "eval");
  for (const record of own) totals.rollout(record, true);
  const byGroup = Map.groupBy(own, (record) => record.group_id);
  for (const group of recorder.state.groups.values()) {
    totals.group(group);
    for (const record of byGroup.get(group.group_id) ?? []) {
      const outcome = group.outcomes?.[record.member];
      if (outcome) totals.rescored(record.outcome, outcome);
    }
  }
  totals.retries = recorder.state.retries.length;
  return totals;
}

async function withinTime(work: Promise<void>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new LachesisError("timeout", `onStop took longer than ${ms / 1000} s.`)), ms);
  });
  try {
    await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
