/**
 * `serve`: makes groups for a trainer, as fast as it takes them. Work follows the trajectory API's status: enough
 * workers to keep the queue filled, none beyond the off-policy limit. A finished group is on disk before it counts, and
 * is sent from there, so neither a killed environment nor an API that is down loses it.
 */
import type { ResolvedConfig } from "../config/index.ts";
import { errorMessage, LachesisError, toLachesisError } from "../core/index.ts";
import type { EnvRegistered, EnvStatus } from "../trajectory/index.ts";
import type { EnvClass } from "./base-env.ts";
import { runAll } from "./engine.ts";
import type { BaseEnvConfig } from "./fields.ts";
import { runGroup } from "./group-run.ts";
import { type OpenRun, openEnvironmentRun, type RunOptions } from "./open-run.ts";
import { groupOptions, unfinishedItems, workersOf } from "./process.ts";
import { Progress } from "./progress.ts";
import { endOfRun } from "./run-end.ts";
import { checkpointFolder, restoreCheckpoint, saveCheckpoint } from "./serve/checkpoints.ts";
import { ApiLink } from "./serve/link.ts";
import { crossed, isEnough, type PlanSettings, workersFor } from "./serve/plan.ts";

/** How long finished groups are waited for at the end. */
const FLUSH_MS = 30_000;
const FLUSH_INTERRUPTED_MS = 3_000;

/** Runs an environment in `serve` mode and gives the exit code. Throws only what kept the run from starting. */
export async function runServe(
  Env: EnvClass,
  resolved: ResolvedConfig<object>,
  options: RunOptions = {},
): Promise<number> {
  const config = resolved.env as BaseEnvConfig;
  if (resolved.openai[0]?.server_type === "openai" && !config.allow_rendered_tokens) {
    throw new LachesisError(
      "config_invalid",
      "serve: openai.server_type is openai, which gives no tokens to train on. Use vllm, sglang or embedded, or set env.allow_rendered_tokens for supervised training.",
    );
  }
  const run = await openEnvironmentRun(Env, resolved, "serve", options);
  const stop = new AbortController();
  const forget = run.control.onStop(() => {
    if (run.control.cancelled) stop.abort(run.control.cancelled);
  });
  const link = new ApiLink({
    url: config.rollout_server_url,
    token: process.env.LACHESIS_API_TOKEN ?? null,
    registration: {
      max_token_length: config.max_token_length,
      desired_name: config.wandb_name ?? Env.name,
      weight: config.inference_weight,
      group_size: config.group_size,
      min_batch_allocation: config.min_batch_allocation,
    },
    directory: run.directory.path,
    allowRendered: config.allow_rendered_tokens,
    signal: stop.signal,
    say: (text) => void process.stderr.write(`${text}\n`),
  });
  const progress = new Progress(run, "serve");
  let failure: unknown = null;
  try {
    progress.start();
    await new Serving(run, link, await link.register()).toEnd(stop);
  } catch (error) {
    if (!run.control.cancelled) failure = error;
  }
  progress.stop();
  try {
    const left = await link.close(run.control.cancelled ? FLUSH_INTERRUPTED_MS : FLUSH_MS);
    if (left > 0) run.print(`${left} finished groups could not be sent yet; they wait in the run directory's outbox.`);
    if (link.rejected > 0)
      run.print(`${link.rejected} groups were refused by the API; see the outbox's rejected folder.`);
    return await endOfRun(run, failure === null ? null : toLachesisError(failure), options);
  } finally {
    forget();
    await run.close();
  }
}

class Serving {
  readonly #run: OpenRun;
  readonly #link: ApiLink;
  readonly #plan: PlanSettings;
  readonly #env: EnvRegistered;
  readonly #checkpoints: string;
  #step: number;
  #evaluating: Promise<void> | null = null;
  #enough = false;
  #wake: () => void = () => {};

  constructor(run: OpenRun, link: ApiLink, registered: Awaited<ReturnType<ApiLink["register"]>>) {
    const { config } = run;
    const { env, batchSize, maxTokenLength } = registered;
    if (batchSize > 0 && config.group_size > batchSize) {
      throw new LachesisError(
        "config_invalid",
        `env.group_size is ${config.group_size}, but the trainer takes batches of ${batchSize} sequences: a group must fit into a batch.`,
      );
    }
    this.#run = run;
    this.#link = link;
    this.#env = env;
    this.#step = env.starting_step;
    this.#checkpoints = checkpointFolder(env.checkpoint_dir, run.directory.path, env.wandb_name);
    // The same object as the environment's own configuration: the loop stops before the trainer's limit.
    if (config.max_trajectory_tokens === null && maxTokenLength > 0) config.max_trajectory_tokens = maxTokenLength;
    this.#plan = {
      groupSize: config.group_size,
      batchSize,
      maxWorkers: workersOf(run),
      maxBatchesOffpolicy: config.max_batches_offpolicy,
      minBatchAllocation: config.min_batch_allocation,
      totalSteps: stepsOf(config.total_steps, env.num_steps),
    };
  }

  /** Runs until the trainer has enough, the items end or the run is stopped. */
  async toEnd(stop: AbortController): Promise<void> {
    const { env, recorder, control, metrics, directory } = this.#run;
    if (this.#step > 0 && !directory.resumed) await restoreCheckpoint(env, this.#checkpoints, this.#step);
    await this.#link.openOutbox(recorder);
    const following = this.#link.follow((status) => this.#followed(status));
    const group = {
      ...groupOptions(this.#run),
      deliver: (line: string, { group_id }: { group_id: string }) => this.#link.deliver(group_id, line),
    };
    const items = unfinishedItems(this.#run, -1);
    try {
      await runAll({
        next: async () => (this.#enough ? null : items()),
        run: (work) => runGroup(work, group),
        concurrency: () => this.#workers(),
        control,
        onConcurrency: (wake) => {
          this.#wake = wake;
          return () => {
            this.#wake = () => {};
          };
        },
        onRound: (seconds, started) => metrics.round(seconds, started),
      });
      await this.#evaluating;
      await this.#log();
    } finally {
      stop.abort(new LachesisError("cancelled", "The run ended."));
      await following;
    }
  }

  /** Groups that may be in flight; none while nobody knows what the trainer wants, or an evaluation has the servers. */
  #workers(): number {
    if (this.#enough) return Number.POSITIVE_INFINITY;
    const { status, waiting } = this.#link;
    if (!status) return 0;
    const workers = workersFor(this.#plan, status, waiting);
    if (!this.#evaluating) return workers;
    const { eval_handling, eval_limit_ratio } = this.#run.config;
    if (eval_handling === "STOP_TRAIN") return 0;
    return eval_handling === "LIMIT_TRAIN" ? Math.floor(workers * (1 - eval_limit_ratio)) : workers;
  }

  #followed(status: EnvStatus): void {
    if (status.current_step !== this.#step) this.#stepped(this.#step, status.current_step);
    if (!this.#enough && isEnough(this.#plan, status)) {
      this.#enough = true;
      process.stderr.write(`All ${this.#plan.totalSteps} training steps are fed.\n`);
    }
    this.#wake();
  }

  #stepped(before: number, now: number): void {
    const { config, env, control } = this.#run;
    this.#step = now;
    const fail = (error: unknown) => control.stopNew(toLachesisError(error));
    if (this.#run.metrics.groups >= config.min_items_sent_before_logging) this.#log().catch(fail);
    const saved = crossed(before, now, this.#env.checkpoint_interval);
    if (saved !== null) {
      saveCheckpoint(env, this.#checkpoints, saved).catch((error) =>
        env.logger.error({ error: errorMessage(error) }, "the environment's checkpoint could not be saved"),
      );
    }
    const evaluated = crossed(before, now, config.steps_per_eval);
    if (evaluated !== null && !this.#evaluating) {
      this.#evaluating = this.#evaluate(evaluated).finally(() => {
        this.#evaluating = null;
        this.#wake();
      });
    }
  }

  /** A failed evaluation is said and does not end the training. */
  async #evaluate(step: number): Promise<void> {
    const { env, evaluation, hub } = this.#run;
    evaluation.prefix = `eval-step-${step}`;
    try {
      const result = await env.evaluate();
      const row = Object.fromEntries(Object.entries(result ?? {}).filter(([, value]) => typeof value === "number"));
      await hub.log(step, row as Record<string, number>, {});
    } catch (error) {
      if (!this.#run.control.cancelled) env.logger.error({ step, error: errorMessage(error) }, "the evaluation failed");
    }
  }

  async #log(): Promise<void> {
    const { env, metrics, hub, servers } = this.#run;
    if (metrics.isEmpty) return;
    const row = metrics.flush();
    row["train/outbox_groups"] = this.#link.waiting;
    await env.logMetrics(row);
    await hub.log(this.#step, row, servers.metrics());
  }
}

/** The trainer's plan bounds the environment's: −1 stands for the trainer's. */
function stepsOf(own: number, trainers: number): number {
  if (own === -1) return trainers > 0 ? trainers : Number.POSITIVE_INFINITY;
  return trainers > 0 ? Math.min(own, trainers) : own;
}
