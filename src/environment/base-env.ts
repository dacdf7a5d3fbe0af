/**
 * An environment: where items come from, how a rollout on one is made, and what it is worth. A subclass gives
 * `getNextItem` and `collectTrajectory` (or derives from AgentEnv, which has one); everything else has a default. The
 * engine calls `setup`, `onStart`, then items and rollouts, then `onStop`, whatever happened in between.
 */
import type { z } from "zod";
import { LachesisError, type Logger } from "../core/index.ts";
import type { EvalMetrics, RunMode } from "../evaluation/index.ts";
import type { ChatServer } from "../inference/index.ts";
import type { MetricRow } from "../metrics/index.ts";
import type { Tool } from "../tools/index.ts";
import type { EvalOptions } from "./eval-run.ts";
import { BaseEnvConfig } from "./fields.ts";
import { currentMetrics } from "./metric-scope.ts";
import type { Group, GroupTools, Rollout } from "./rollout.ts";
import { runIfMain } from "./run-if-main.ts";
import type { FinishedTrajectory, Trajectory } from "./trajectory.ts";

/** What the engine gives an environment when it makes it. */
export interface EnvContext {
  /** The `env` section, checked by the class's own schema. */
  config: unknown;
  mode: RunMode;
  /** Seed of the run. */
  seed: number;
  /** Answers the environment's own model calls: the section `judge`, or the policy's servers. */
  server: ChatServer;
  logger: Logger;
  /** Where the run is recorded. */
  runDir: string;
  runEval(env: BaseEnv, items: Iterable<unknown> | AsyncIterable<unknown>, options: EvalOptions): Promise<EvalMetrics>;
  /** Takes a value measured outside of any rollout. */
  metric(name: string, value: number): void;
}

/** What `configInit` may give: sections of a configuration, every field optional. */
export interface ConfigInit {
  env?: Record<string, unknown>;
  openai?: Record<string, unknown> | Record<string, unknown>[];
  judge?: Record<string, unknown>;
  [field: string]: unknown;
}

/** The statics of an environment class, and how one is made. */
export interface EnvClass {
  new (context: EnvContext): BaseEnv;
  readonly name: string;
  readonly Config: z.ZodObject;
  readonly tools: readonly Tool[];
  configInit(): ConfigInit;
}

/** Asks one rollout of a group to be made; retries, records and cancels as the run is configured. */
export type CollectMember = (collect: (rollout: Rollout) => Promise<Trajectory>) => Promise<FinishedTrajectory[]>;

/**
 * The base of every environment.
 * @example
 * class Haiku extends BaseEnv {
 *   static override name = "haiku";
 *   async getNextItem() { return { topic: "rain" }; }
 *   override async collectTrajectory(item: { topic: string }, rollout: Rollout) {
 *     const messages: ChatMessage[] = [{ role: "user", content: `A haiku on ${item.topic}` }];
 *     const answer = await rollout.session.server.chatCompletion({ messages, signal: rollout.signal });
 *     const message = answer.choices[0]!.message;
 *     return { messages: [...messages, message], reward: textOf(message.content).split("\n").length === 3 };
 *   }
 * }
 */
export abstract class BaseEnv<
  // biome-ignore lint/suspicious/noExplicitAny: an environment of any configuration is a BaseEnv
  Schema extends z.ZodType = any,
  // biome-ignore lint/suspicious/noExplicitAny: and of any items
  Item = any,
> {
  /** Names run directories, metrics and evaluation tasks. */
  static name = "environment";
  /** Schema of the `env` section. Extend it: `static override Config = BaseEnv.Config.extend({…})`. */
  static Config = BaseEnvConfig;
  /** Tools of its own; the toolset that they name can be enabled like any other. */
  static tools: readonly Tool[] = [];

  /** Values between the schema's defaults and the configuration file. */
  static configInit(): ConfigInit {
    return {};
  }

  /**
   * Makes the environment's file a program: `node env.ts process …` is `lachesis process env.ts …`. Does nothing where
   * the file is only imported. Call it last in the file: `GreetEnv.cli(import.meta)`.
   */
  static cli(this: EnvClass, meta: ImportMeta): void {
    // biome-ignore lint/complexity/noThisInStatic: the subclass is meant
    runIfMain(meta, this);
  }

  readonly config: z.infer<Schema>;
  /** For the environment's own model calls, such as judges. */
  readonly server: ChatServer;
  readonly mode: RunMode;
  /** Seed of the run; derive every random choice from it (`deriveSeed`, `seededRandom`). */
  readonly seed: number;
  readonly logger: Logger;
  readonly runDir: string;
  /** Items held out for evaluation; `setup` fills it. */
  evalItems: Item[] = [];
  protected readonly context: EnvContext;

  constructor(context: EnvContext) {
    this.context = context;
    this.config = context.config as z.infer<Schema>;
    this.server = context.server;
    this.mode = context.mode;
    this.seed = context.seed;
    this.logger = context.logger;
    this.runDir = context.runDir;
  }

  /** Checks what the configuration's schema cannot. Called first; throws `config_invalid`, and then nothing is started. */
  async validate(): Promise<void> {}
  /** Loads data and whatever else is needed. Called once. */
  async setup(): Promise<void> {}
  /** After `setup`, before the first item. */
  async onStart(): Promise<void> {}
  /** At the end, however the run ended. */
  async onStop(): Promise<void> {}

  /** The next item, or null when there is none left. Never called twice at once. */
  abstract getNextItem(): Promise<Item | null> | Item | null;

  /** Makes one rollout. */
  async collectTrajectory(_item: Item, _rollout: Rollout): Promise<Trajectory> {
    throw new LachesisError("unsupported", `${this.constructor.name} has no collectTrajectory.`);
  }

  /**
   * Makes the rollouts of a group. Override it where they depend on each other; `collect` makes those that are missing,
   * with retries, and may be called with another way of making one.
   */
  async collectTrajectories(item: Item, _group: Group, collect: CollectMember): Promise<FinishedTrajectory[]> {
    return collect((rollout) => this.collectTrajectory(item, rollout));
  }

  /** Makes and scores one attempt of an evaluation. */
  async evaluateItem(item: Item, rollout: Rollout): Promise<Trajectory> {
    return this.collectTrajectory(item, rollout);
  }

  /** The tools of a group, decided once for all its rollouts. null: no tools. */
  async resolveTools(_item: Item, _seed: number): Promise<GroupTools | null> {
    return null;
  }

  /**
   * Looks at a whole group and may give other outcomes, in the order of `trajectories`; undefined keeps them. For
   * rewards that compare rollouts with each other.
   */
  async scoreGroup(
    _item: Item,
    _trajectories: readonly FinishedTrajectory[],
  ): Promise<FinishedTrajectory["outcome"][] | undefined> {
    return undefined;
  }

  /** Evaluates the policy. What it returns is logged apart from training. */
  async evaluate(): Promise<Record<string, unknown> | undefined> {
    if (this.evalItems.length === 0) {
      const name = (this.constructor as unknown as EnvClass).name;
      throw new LachesisError(
        "config_invalid",
        `${name}: there is nothing to evaluate. Fill \`this.evalItems\` in setup(), or override evaluate().`,
      );
    }
    return this.runEval(this.evalItems);
  }

  /**
   * Runs the whole loop on every item, several times if asked, and gives the metrics: mean reward, pass rate, pass@k,
   * pass^k, share of infrastructure errors, all with standard errors.
   */
  async runEval(items: Iterable<Item> | AsyncIterable<Item>, options: EvalOptions = {}): Promise<EvalMetrics> {
    return this.context.runEval(this, items, options);
  }

  /** In `serve`: what must survive a restart, such as the place in a curriculum. Saved with the trainer's checkpoints. */
  async checkpoint(): Promise<Record<string, unknown> | undefined> {
    return undefined;
  }

  /** Takes what `checkpoint` gave, after `setup`. */
  async restore(_state: Record<string, unknown>): Promise<void> {}

  /** Last look at the metrics of a step before they are written: add to it or change it. */
  async logMetrics(_metrics: MetricRow): Promise<void> {}

  /** Measures something; values of one step are averaged, those of evaluations apart from those of training. */
  metric(name: string, value: number): void {
    const scope = currentMetrics();
    if (scope) scope.push([name, value]);
    else this.context.metric(name, value);
  }
}
