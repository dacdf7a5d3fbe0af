/**
 * An environment whose rollouts are runs of a tool-using agent in a sandbox. A subclass gives `getNextItem`,
 * `formatPrompt` and `computeReward`. Each rollout has a sandbox of its own, made when a tool or the reward code first
 * needs it, and destroyed when the rollout ends, however it ends.
 */
import type { z } from "zod";
import { AgentLoop, type AgentResult, ToolContext } from "../agent/index.ts";
import { type ChatMessage, LachesisError, Semaphore, textOf } from "../core/index.ts";
import type { Outcome, RewardValue } from "../evaluation/index.ts";
import type { Sandbox } from "../sandbox/index.ts";
import {
  builtinTools,
  createToolHandler,
  ResultBudget,
  RolloutTools,
  resolveTools,
  ToolRegistry,
} from "../tools/index.ts";
import { makeSandbox } from "./agent-sandbox.ts";
import { BaseEnv, type EnvClass } from "./base-env.ts";
import { AgentEnvConfig } from "./fields.ts";
import { openingOf, type Prompt } from "./opening.ts";
import { outcomeWithoutReward, scoreWithin } from "./reward.ts";
import type { GroupTools, Rollout } from "./rollout.ts";
import type { Trajectory } from "./trajectory.ts";

export type { Prompt } from "./opening.ts";

/** What `verifyAndScoreTrajectory` returns. */
export interface Verdict {
  reward: RewardValue;
  /** Kept beside the conversation. */
  metadata?: Record<string, unknown>;
}

/**
 * @example
 * class GreetEnv extends AgentEnv {
 *   static override name = "greet";
 *   static override configInit() { return { env: { enabled_toolsets: ["terminal"] } }; }
 *   async getNextItem() { return { id: "hello", instruction: "Write hello into hello.txt" }; }
 *   formatPrompt(item: { instruction: string }) { return item.instruction; }
 *   async computeReward(_item: unknown, _result: AgentResult, ctx: ToolContext) {
 *     return (await ctx.readFile("hello.txt")).content.trim() === "hello";
 *   }
 * }
 * GreetEnv.cli(import.meta);
 */
export abstract class AgentEnv<
  // biome-ignore lint/suspicious/noExplicitAny: an environment of any configuration is an AgentEnv
  Schema extends z.ZodType = any,
  // biome-ignore lint/suspicious/noExplicitAny: and of any items
  Item = any,
> extends BaseEnv<Schema, Item> {
  static override name = "agent-environment";
  static override Config = AgentEnvConfig;
  #registry: ToolRegistry | null = null;
  #fixedTools: Promise<GroupTools> | null = null;
  #pool: Semaphore | null = null;

  /** What the agent is asked to do. */
  abstract formatPrompt(item: Item): Prompt | Promise<Prompt>;

  /**
   * What the rollout is worth: a finite number, a boolean or a typed outcome. `ctx` reaches the rollout's sandbox. What
   * is thrown makes the rollout `unscored`, never 0.
   */
  abstract computeReward(item: Item, result: AgentResult, ctx: ToolContext): RewardValue | Promise<RewardValue>;

  /** Prepares the rollout's workspace before the agent starts; what it returns is given to the verification. */
  async setupTrajectoryWorkspace(
    _item: Item,
    _trajectoryId: string,
    _ctx: ToolContext,
  ): Promise<Record<string, unknown> | undefined> {
    return undefined;
  }

  /** Scores a finished run. The default asks `computeReward`. */
  async verifyAndScoreTrajectory(
    item: Item,
    result: AgentResult,
    _trajectoryId: string,
    ctx: ToolContext,
    _workspace: Record<string, unknown> | undefined,
  ): Promise<Verdict> {
    return { reward: await this.computeReward(item, result, ctx) };
  }

  /**
   * Makes the sandbox of a rollout. Override it to give an item its own image or limits; pass `rollout.sockets` on, or a
   * program of `env.harness_command` cannot reach its model.
   */
  protected async createSandbox(_item: Item, rollout: Rollout, signal: AbortSignal): Promise<Sandbox> {
    return makeSandbox(this.#settings, rollout.id, signal, rollout.sockets);
  }

  override async validate(): Promise<void> {
    await super.validate();
    const { missing } = await this.#resolve(0);
    for (const { toolset, tools, reason } of missing) {
      process.stderr.write(`Left out of toolset ${toolset}: ${tools.join(", ")} (${reason})\n`);
    }
  }

  override async resolveTools(_item: Item, seed: number): Promise<GroupTools> {
    // A program brings its own tools; what it offered is kept with each rollout.
    if (this.#settings.harness === "command") return { tools: [], schemas: [] };
    if (this.#settings.distribution !== null) return groupTools(await this.#resolve(seed));
    this.#fixedTools ??= this.#resolve(seed).then(groupTools);
    return this.#fixedTools;
  }

  override async collectTrajectory(item: Item, rollout: Rollout): Promise<Trajectory> {
    const settings = this.#settings;
    const opening = await this.#opening(item);
    const harness = settings.harness === "command" ? await openHarness(settings, rollout) : null;
    const withSockets = harness ? { ...rollout, sockets: harness.sockets } : rollout;
    const context = new RolloutTools({
      rolloutId: rollout.id,
      createSandbox: (signal) => this.createSandbox(item, withSockets, signal),
      settings,
      userTask: userTaskOf(opening),
      logger: this.logger,
    });
    const ctx = new ToolContext({ rollout: context, tools: this.#allTools.tools, signal: rollout.signal });
    try {
      const workspace = await this.setupTrajectoryWorkspace(item, rollout.id, ctx);
      const run = harness ? await harness.run(opening, await context.sandbox()) : null;
      const result = run?.result ?? (await this.#agent(rollout, context).run(opening));
      const tracked = rollout.session.finish({
        messages: result.messages,
        tools: run?.tools ?? rollout.tools?.schemas ?? [],
        stopReason: result.stop_reason,
      });
      result.managed_state = tracked?.managed_state ?? null;
      const sequences = tracked?.sequences ?? null;
      const trajectory = { messages: result.messages, result, sequences, ...(run && { metadata: run.metadata }) };
      const early = outcomeWithoutReward(result, context.fatal) ?? run?.outcome;
      if (early) return { ...trajectory, reward: early };
      const verdict = await scoreWithin(() => this.verifyAndScoreTrajectory(item, result, rollout.id, ctx, workspace), {
        seconds: settings.reward_timeout_s,
        signal: rollout.signal,
        environment: (this.constructor as EnvClass).name,
      });
      const metadata = { ...run?.metadata, ...verdict.metadata };
      return {
        ...trajectory,
        ...verdict,
        ...(Object.keys(metadata).length > 0 && { metadata }),
        reward: died(context) ?? verdict.reward,
      };
    } finally {
      await ctx.cleanup();
      await harness?.close();
    }
  }

  /** The configuration as this class knows it; a subclass's schema extends it. */
  get #settings(): AgentEnvConfig {
    return this.config as AgentEnvConfig;
  }

  get #allTools(): ToolRegistry {
    this.#registry ??= new ToolRegistry([...builtinTools(), ...(this.constructor as EnvClass).tools]);
    return this.#registry;
  }

  #resolve(seed: number) {
    const { enabled_toolsets, disabled_toolsets, distribution } = this.#settings;
    return resolveTools({
      registry: this.#allTools,
      enabled: enabled_toolsets,
      disabled: disabled_toolsets,
      distribution,
      seed,
    });
  }

  async #opening(item: Item): Promise<ChatMessage[]> {
    const { system_prompt, custom_thinking_prompt } = this.#settings;
    const system = [custom_thinking_prompt, system_prompt].filter((part) => part !== null).join("\n\n");
    let prompt: unknown;
    try {
      prompt = await this.formatPrompt(item);
    } catch (error) {
      if (error instanceof LachesisError) throw error;
      const what = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
      throw new LachesisError("data_invalid", `formatPrompt failed: ${what}`, { cause: error });
    }
    return openingOf(prompt, system);
  }

  #agent(rollout: Rollout, context: RolloutTools): AgentLoop {
    const settings = this.#settings;
    const tools = rollout.tools?.tools ?? [];
    this.#pool ??= new Semaphore(settings.tool_pool_size);
    const handler = createToolHandler({
      tools,
      context,
      pool: this.#pool,
      budget: new ResultBudget({ ...settings, tool_result_overrides: settings.tool_result_overrides ?? {} }),
    });
    return new AgentLoop({
      server: rollout.session.server,
      tools: rollout.tools?.schemas ?? [],
      handler,
      maxTurns: settings.max_agent_turns,
      temperature: rollout.temperature,
      maxTokens: settings.max_token_length,
      budgets: {
        tokens: settings.token_budget,
        costUsd: settings.cost_budget_usd,
        timeMs: settings.time_budget_s === null ? null : settings.time_budget_s * 1000,
        trajectoryTokens: settings.max_trajectory_tokens,
      },
      extraBody: settings.extra_body,
      seed: rollout.seed,
      split: rollout.split,
      toolCallParser: settings.tool_call_parser,
      signal: rollout.signal,
    });
  }
}

/** Loaded when it is used: the proxy behind it is large. */
async function openHarness(settings: AgentEnvConfig, rollout: Rollout) {
  const { Harness } = await import("./harness.ts");
  return Harness.open(settings, rollout);
}

/** A sandbox that died while the reward was computed makes any reward meaningless. */
function died({ fatal }: RolloutTools): Outcome | null {
  return fatal === null ? null : { kind: "aborted", error: fatal.toJSON() };
}

function groupTools({ tools, schemas, toolsets }: Awaited<ReturnType<typeof resolveTools>>): GroupTools {
  return { tools, schemas, ...(toolsets && { toolsets }) };
}

function userTaskOf(messages: readonly ChatMessage[]): string | null {
  const first = messages.find(({ role }) => role === "user");
  const text = typeof first?.content === "string" ? textOf(first.content).trim() : "";
  return text === "" ? null : [...text.slice(0, 1000)].slice(0, 500).join("");
}
