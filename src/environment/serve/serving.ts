/**
 * The scheduler of `serve`. As many groups are in flight as the trainer's plan, the queue and a running evaluation
 * allow; each change of the API's status, and once a second the passing of time, is a reason to look again.
 */
import { errorMessage, LachesisError, Semaphore, toLachesisError } from "../../core/index.ts";
import type { TokenSequence } from "../../evaluation/index.ts";
import type { EnvStatus } from "../../trajectory/index.ts";
import { runAll } from "../engine.ts";
import { runGroup } from "../group-run.ts";
import { ItemNames } from "../item-source.ts";
import type { OpenRun } from "../open-run.ts";
import { groupOptions, unfinishedItems, workersOf } from "../process.ts";
import { checkpointFolder, restoreCheckpoint, saveCheckpoint } from "./checkpoints.ts";
import { Evaluations } from "./evaluations.ts";
import type { ApiLink, Registered } from "./link.ts";
import { crossed, isEnough, type PlanSettings, workersFor } from "./plan.ts";

const LOOK_MS = 1_000;

export class Serving {
  readonly #run: OpenRun;
  readonly #link: ApiLink;
  readonly #evaluations: Evaluations;
  readonly #names = new ItemNames();
  /** Held while an item is taken or the place in their order is saved. */
  readonly #order = new Semaphore(1);
  #registered: Registered;
  #plan: PlanSettings;
  #step: number;
  #steppedAt = performance.now();
  #enough = false;
  #wake: () => void = () => {};

  /** Throws `config_invalid` where the trainer's batches cannot hold a group. */
  constructor(run: OpenRun, link: ApiLink, registered: Registered) {
    this.#run = run;
    this.#link = link;
    this.#registered = registered;
    this.#step = registered.env.starting_step;
    this.#plan = planOf(run, registered);
    this.#evaluations = new Evaluations(run, () => this.#wake());
    const { config } = run;
    // The same object as the environment's own configuration: the loop stops before the trainer's limit.
    if (config.max_trajectory_tokens === null && registered.maxTokenLength > 0)
      config.max_trajectory_tokens = registered.maxTokenLength;
  }

  /** Runs until the trainer has enough, the items end or the run is stopped. */
  async toEnd(): Promise<void> {
    const { env, recorder, control, metrics } = this.#run;
    if (this.#step > 0) await restoreCheckpoint(env, this.#names, this.#checkpoints, this.#step);
    await this.#link.openOutbox(recorder);
    const group = {
      ...groupOptions(this.#run),
      unusable: (sequences: readonly TokenSequence[]) => this.#unusable(sequences),
      deliver: (line: string, { group_id }: { group_id: string }) => this.#link.deliver(group_id, line),
    };
    const items = unfinishedItems(this.#run, -1, this.#names);
    const clock = setInterval(() => this.#wake(), LOOK_MS);
    try {
      await runAll({
        next: () => this.#order.run(async () => (this.#enough ? null : items())),
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
    } finally {
      clearInterval(clock);
      await this.#evaluations.ended();
      await this.#log();
    }
  }

  /** Takes a new status of the API. */
  followed(status: EnvStatus): void {
    if (status.current_step !== this.#step) this.#stepped(this.#step, status.current_step);
    this.#run.servers.setWeight(Math.min(1, status.env_weight));
    if (!this.#enough && isEnough(this.#plan, status)) {
      this.#enough = true;
      process.stderr.write(`All ${this.#plan.totalSteps} training steps are fed.\n`);
    }
    this.#wake();
  }

  /** Takes what a trainer said that the environment had to register with anew. */
  registeredAnew(registered: Registered): void {
    try {
      this.#plan = planOf(this.#run, registered);
      this.#registered = registered;
      this.#steppedAt = performance.now();
    } catch (error) {
      this.#run.control.stopNew(toLachesisError(error));
    }
    this.#wake();
  }

  /** Groups that may be in flight; none while nobody knows what the trainer wants, or an evaluation has the servers. */
  #workers(): number {
    if (this.#enough) return Number.POSITIVE_INFINITY;
    const { status, waiting, trainerGone } = this.#link;
    if (!status) return 0;
    const idleSeconds = (performance.now() - this.#steppedAt) / 1000;
    const workers = workersFor(this.#plan, status, { waiting, idleSeconds, trainerGone });
    if (!this.#evaluations.isRunning) return workers;
    const { eval_handling, eval_limit_ratio } = this.#run.config;
    if (eval_handling === "STOP_TRAIN") return 0;
    return eval_handling === "LIMIT_TRAIN"
      ? Math.min(workers, limited(this.#plan.maxWorkers, eval_limit_ratio))
      : workers;
  }

  #stepped(before: number, now: number): void {
    const { config, env, control, metrics } = this.#run;
    this.#step = now;
    this.#steppedAt = performance.now();
    if (metrics.groups >= config.min_items_sent_before_logging) {
      this.#log().catch((error: unknown) => control.stopNew(toLachesisError(error)));
    }
    const saved = crossed(before, now, this.#registered.env.checkpoint_interval);
    if (saved !== null) {
      this.#order
        .run(() => saveCheckpoint(env, this.#names, this.#checkpoints, saved))
        .catch((error) =>
          env.logger.error({ error: errorMessage(error) }, "the environment's checkpoint could not be saved"),
        );
    }
    const evaluated = crossed(before, now, config.steps_per_eval);
    if (evaluated !== null) this.#evaluations.start(evaluated);
  }

  /** Why no trainer would take a group of these sequences; null when it would. */
  #unusable(sequences: readonly TokenSequence[]): string | null {
    if (sequences.length === 0) return "no_tokens";
    const { max_staleness } = this.#run.config;
    const versions = sequences.flatMap(({ weight_versions }) => weight_versions ?? []);
    const isStale = max_staleness !== null && versions.some((version) => this.#step - version > max_staleness);
    return isStale ? "stale" : null;
  }

  get #checkpoints(): string {
    return checkpointFolder(this.#registered.env.checkpoint_dir, this.#run.directory.path, this.#link.name);
  }

  async #log(): Promise<void> {
    const { env, metrics, hub, serverMetrics } = this.#run;
    if (metrics.isEmpty) return;
    const row = metrics.flush();
    row["train/outbox_groups"] = this.#link.pending;
    await env.logMetrics(row);
    await hub.log(this.#step, row, serverMetrics());
  }
}

/** A limit that is not 0 lets something through: with a single worker, too, it is not a stop. */
function limited(workers: number, ratio: number): number {
  return ratio > 0 ? Math.max(1, Math.floor(workers * ratio)) : 0;
}

function planOf(run: OpenRun, { env, batchSize: trainers }: Registered): PlanSettings {
  const { config } = run;
  const batchSize = trainers > 0 ? trainers : config.batch_size;
  if (batchSize > 0 && config.group_size > batchSize) {
    throw new LachesisError(
      "config_invalid",
      `env.group_size is ${config.group_size}, but the trainer takes batches of ${batchSize} sequences: a group must fit into a batch.`,
    );
  }
  return {
    groupSize: config.group_size,
    batchSize,
    maxWorkers: workersOf(run),
    maxBatchesOffpolicy: config.max_batches_offpolicy,
    minBatchAllocation: config.min_batch_allocation,
    totalSteps: stepsOf(config.total_steps, env.num_steps),
  };
}

/** The trainer's plan bounds the environment's: −1 stands for the trainer's. */
function stepsOf(own: number, trainers: number): number {
  if (own === -1) return trainers > 0 ? trainers : Number.POSITIVE_INFINITY;
  return trainers > 0 ? Math.min(own, trainers) : own;
}
