/** What an environment can do beyond the minimum: tools, workspaces, judges, group scores, metrics, time-outs, stops. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { z } from "zod";
import {
  AgentEnv,
  type AgentResult,
  type CollectMember,
  type ConfigInit,
  defineTool,
  type EnvClass,
  type FinishedTrajectory,
  type Group,
  type MetricRow,
  type RewardValue,
  type Rollout,
  type ToolContext,
  textOf,
} from "../src/index.ts";
import {
  call,
  calls,
  type OpenAIServer,
  type ReceivedRequest,
  refuses,
  says,
  startOpenAIServer,
} from "./support/openai-server.ts";
import { type RunSettings, runEnvironment } from "./support/run-environment.ts";

let server: OpenAIServer;
beforeAll(async () => {
  server = await startOpenAIServer(() => says("hello"));
});
afterAll(() => server.stop());
beforeEach(() => {
  server.requests.length = 0;
  server.script = () => says("hello");
});

const run = (Env: EnvClass, settings: Partial<RunSettings> = {}) =>
  runEnvironment(Env, {
    ...settings,
    openai: { base_url: server.baseUrl, model_name: "m", max_retries: 0, ...settings.openai },
  });

const firstMessage = (request: ReceivedRequest) => String((request.body.messages as { content: string }[])[0]!.content);

/** Two items; what they are worth is the subclass's affair. */
abstract class TwoItems extends AgentEnv<typeof AgentEnv.Config, { id: string }> {
  static override name = "two-items";
  static override configInit(): ConfigInit {
    return { env: { enabled_toolsets: ["terminal"], group_size: 2, rollout_retries: 0 } };
  }
  #items = ["a", "b"];
  override async setup() {
    this.evalItems = [{ id: "a" }, { id: "b" }];
  }
  async getNextItem() {
    const id = this.#items.shift();
    return id === undefined ? null : { id };
  }
  formatPrompt(item: { id: string }) {
    return item.id;
  }
  async computeReward(_item: { id: string }, _result: AgentResult, _ctx: ToolContext): Promise<RewardValue> {
    return 1;
  }
}

const scoresOf = (groups: Record<string, unknown>[]) =>
  Object.fromEntries(groups.map((group) => [group.item_id, group.scores]));

test("scoreGroup compares the rollouts of a group, and a resume knows its scores", async () => {
  class Ranked extends TwoItems {
    override async scoreGroup(_item: unknown, trajectories: readonly FinishedTrajectory[]) {
      return trajectories.map((_, place): { kind: "scored"; reward: number } => ({ kind: "scored", reward: place }));
    }
  }
  const first = await run(Ranked);
  expect(scoresOf(first.lines("groups.jsonl"))).toEqual({ a: [0, 1], b: [0, 1] });
  expect(first.output).toMatch(/mean reward\s*\| 0\.5000/);
  const again = await run(Ranked, { runDir: first.directory });
  expect(again.output).toMatch(/mean reward\s*\| 0\.5000/);
});

test("a scoreGroup that fails leaves nothing scored, and nothing is counted as 0", async () => {
  class Broken extends TwoItems {
    override async scoreGroup(): Promise<undefined> {
      throw new Error("no comparison");
    }
  }
  const { code, output, lines } = await run(Broken);
  expect(code).toBe(1);
  expect(output).toContain("no comparison");
  expect(lines("groups.jsonl")).toHaveLength(0);
});

test("typed outcomes, components and turn rewards reach the group", async () => {
  class Typed extends TwoItems {
    override async computeReward({ id }: { id: string }): Promise<RewardValue> {
      if (id === "b") return { kind: "unscored", reason: "judge_unsure" };
      return { kind: "scored", reward: 0.75, components: { style: 0.5 }, turn_rewards: [0.75] };
    }
  }
  const { code, lines } = await run(Typed);
  expect(code).toBe(0);
  const [group] = lines("groups.jsonl");
  expect(group).toMatchObject({ item_id: "a", scores: [0.75, 0.75] });
  expect((group!.rollouts as { outcome: unknown }[])[0]!.outcome).toMatchObject({
    components: { style: 0.5 },
    turn_rewards: [0.75],
  });
});

test("a judge has a server of its own, and one that fails makes nothing a 0", async () => {
  class Judged extends TwoItems {
    override async computeReward({ id }: { id: string }): Promise<RewardValue> {
      const messages = [{ role: "user" as const, content: `judge ${id}` }];
      const { choices } = await this.server.chatCompletion({ messages });
      return Number(textOf(choices[0]!.message.content));
    }
  }
  const judge = await startOpenAIServer((request) =>
    firstMessage(request).endsWith("a") ? says("0.5") : refuses(500, "x"),
  );
  try {
    const config = { base_url: judge.baseUrl, model_name: "judge", max_retries: 0, health_check: false };
    const { code, lines } = await run(Judged, { judge: config });
    expect(code).toBe(1);
    expect(scoresOf(lines("groups.jsonl"))).toEqual({ a: [0.5, 0.5] });
    const judged = lines("journal.jsonl").filter((line) => line.type === "rollout" && line.item_id === "b");
    expect(judged.map((line) => line.outcome)).toEqual([
      expect.objectContaining({ kind: "unscored", reason: "reward_error" }),
      expect.objectContaining({ kind: "unscored", reason: "reward_error" }),
    ]);
    expect(judge.requests.every(({ body }) => body.model === "judge")).toBe(true);
  } finally {
    await judge.stop();
  }
});

test("the workspace hook runs before the agent, the verdict after it, and both see the same sandbox", async () => {
  class Workspace extends TwoItems {
    override async setupTrajectoryWorkspace(item: { id: string }, id: string, ctx: ToolContext) {
      await ctx.writeFile("task.txt", item.id);
      return { id };
    }
    override async verifyAndScoreTrajectory(
      item: { id: string },
      _result: AgentResult,
      id: string,
      ctx: ToolContext,
      workspace: Record<string, unknown> | undefined,
    ) {
      const { content } = await ctx.readFile("answer.txt");
      return { reward: content.trim() === item.id && workspace?.id === id, metadata: { content } };
    }
  }
  server.script = ({ body }) =>
    (body.messages as unknown[]).length === 1
      ? calls(call("c", "terminal", { command: "cp task.txt answer.txt" }))
      : says("done");
  const { code, lines } = await run(Workspace);
  expect(code).toBe(0);
  expect(scoresOf(lines("groups.jsonl"))).toEqual({ a: [1, 1], b: [1, 1] });
  expect(lines("rollouts.jsonl")[0]).toMatchObject({ metadata: { content: expect.any(String) } });
});

test("own tools are offered by their toolset's name and run", async () => {
  const roll = defineTool({
    name: "roll_dice",
    description: "Rolls a die.",
    toolset: "games",
    parameters: z.object({ sides: z.int().default(6) }),
    execute: async ({ sides }) => ({ rolled: sides }),
  });
  class Games extends TwoItems {
    static override tools = [roll];
    static override configInit() {
      return { env: { enabled_toolsets: ["games"], group_size: 2 } };
    }
    override async computeReward(_item: unknown, result: AgentResult) {
      return textOf(result.messages.find(({ role }) => role === "tool")?.content ?? "") === '{"rolled":20}';
    }
  }
  server.script = ({ body }) =>
    (body.messages as unknown[]).length === 1 ? calls(call("c", "roll_dice", { sides: "20" })) : says("done");
  const { lines } = await run(Games);
  expect(scoresOf(lines("groups.jsonl"))).toEqual({ a: [1, 1], b: [1, 1] });
});

test("collectTrajectories can make a group in its own way", async () => {
  class Chained extends TwoItems {
    override async collectTrajectories(item: { id: string }, group: Group, collect: CollectMember) {
      const made = await collect((rollout: Rollout) => this.collectTrajectory(item, rollout));
      return made.slice(0, group.size);
    }
  }
  const { lines } = await run(Chained);
  expect(lines("groups.jsonl")).toHaveLength(2);
});

test("collectTrajectories that throws ends its group and no other", async () => {
  class Half extends TwoItems {
    override async collectTrajectories(item: { id: string }, _group: Group, collect: CollectMember) {
      if (item.id === "a") throw new Error("no a");
      return collect((rollout) => this.collectTrajectory(item, rollout));
    }
  }
  const { code, lines, output } = await run(Half);
  expect(code).toBe(0);
  expect(scoresOf(lines("groups.jsonl"))).toEqual({ b: [1, 1] });
  expect(output).toContain("no a");
});

test("metrics of training: means per step, what logMetrics adds, tool errors; aborted tries do not count", async () => {
  class Measured extends TwoItems {
    override async computeReward({ id }: { id: string }) {
      this.metric("is_a", id === "a" ? 1 : 0);
      this.metric("own/b", 2);
      return 1;
    }
    override async logMetrics(metrics: MetricRow) {
      metrics["train/added"] = 7;
    }
  }
  let asked = 0;
  server.script = ({ body }) => {
    if (asked++ === 0) return refuses(500, "once");
    return (body.messages as unknown[]).length === 1 ? calls(call("c", "nope", {})) : says("done");
  };
  const { lines } = await run(Measured, { env: { rollout_retries: 1 } });
  const row = lines("metrics.jsonl").at(-1)!;
  expect(row).toMatchObject({ "train/is_a": 0.5, "own/b": 2, "train/added": 7, "train/tool_errors_count": 4 });
  expect(row["train/tool_error_details"]).toMatch(/^\[turn 1\] nope\(\{\}\) -> /);
  expect(row["train/rollouts"]).toContain("[TOOL CALL] nope({})");
  expect(row).toHaveProperty("train/completion_lengths_p95");
  expect(row).toHaveProperty("train_perf/task_duration_mean");
  expect(row).toHaveProperty("server/server_0_request_time_avg");
  expect(lines("journal.jsonl").filter((line) => line.type === "retry")).toHaveLength(1);
});

test("evaluation has its own metrics, categories and error rate", async () => {
  class Evaluated extends TwoItems {
    override async computeReward({ id }: { id: string }) {
      this.metric("is_a", id === "a" ? 1 : 0);
      return id === "a";
    }
    override async evaluate() {
      return this.runEval(this.evalItems, { attempts: 2, category: (item: { id: string }) => item.id });
    }
  }
  let first = true;
  server.script = (request) => {
    if (firstMessage(request) === "b" && first) {
      first = false;
      return refuses(500, "broken");
    }
    return says("x");
  };
  const { code, text } = await run(Evaluated, { mode: "evaluate" });
  expect(code).toBe(0);
  const { all } = JSON.parse(text("metrics.json")).results;
  expect(all).toMatchObject({
    "eval/n": 3,
    "eval/n_attempted": 4,
    "eval/infra_error_rate": 0.25,
    "eval/pass_rate_a": 1,
    "eval/pass_rate_b": 0,
    "eval/pass@2": 1,
  });
  expect(all["eval/pass_rate"]).toBeCloseTo(2 / 3);
  expect(all["eval/is_a"]).toBeCloseTo(2 / 3);
});

test("a key that is refused stops the run, and the same run goes on with a good one", async () => {
  server.script = () => refuses(401, "bad key");
  class Plain extends TwoItems {
    static override configInit() {
      return { env: { enabled_toolsets: ["terminal"], group_size: 2, max_num_workers: 1 } };
    }
  }
  const refused = await run(Plain);
  expect(refused.code).toBe(1);
  expect(refused.output).toContain("Set the server's key");
  expect(refused.output).toMatch(/Continue: /);
  expect(server.requests.length).toBeLessThanOrEqual(2);
  server.script = () => says("x");
  const mended = await run(Plain, { runDir: refused.directory });
  expect(mended.code).toBe(0);
  expect(scoresOf(mended.lines("groups.jsonl"))).toEqual({ a: [1, 1], b: [1, 1] });
});

test("more errors than max_error_rate make the exit code 1", async () => {
  server.script = (request) => (firstMessage(request) === "a" ? refuses(500, "broken") : says("x"));
  class Plain extends TwoItems {}
  expect((await run(Plain, { env: { max_error_rate: 0.5 } })).code).toBe(0);
  const strict = await run(Plain, { env: { max_error_rate: 0.4 } });
  expect(strict.code).toBe(1);
  expect(strict.output).toContain("50.0 % of the rollouts could not be scored");
});

test("a rollout that takes too long is ended, tried again, and holds up nobody", async () => {
  let slow = true;
  server.script = (request) => {
    if (firstMessage(request) !== "a" || !slow) return says("x");
    slow = false;
    return { kind: "stall" };
  };
  class Plain extends TwoItems {}
  const { code, lines } = await run(Plain, { env: { worker_timeout: 1, rollout_retries: 1, group_size: 1 } });
  expect(code).toBe(0);
  const retry = lines("journal.jsonl").find((line) => line.type === "retry");
  expect(retry).toMatchObject({ error: { code: "timeout" } });
  expect(scoresOf(lines("groups.jsonl"))).toEqual({ a: [1], b: [1] });
});

test("groups with equal scores are filtered where that is asked for", async () => {
  class Plain extends TwoItems {}
  const { lines, output } = await run(Plain, { env: { ensure_scores_are_not_same: true } });
  expect(lines("groups.jsonl")).toHaveLength(0);
  expect(lines("journal.jsonl").filter((line) => line.type === "group")).toEqual([
    expect.objectContaining({ status: "filtered", reason: "equal_scores" }),
    expect.objectContaining({ status: "filtered", reason: "equal_scores" }),
  ]);
  expect(output).toContain("2 equal_scores");
});

test("cancelled: sandboxes are gone, hooks ran, what was finished is kept", async () => {
  const seen: string[] = [];
  class Stopped extends TwoItems {
    override async onStart() {
      seen.push("start");
    }
    override async onStop() {
      seen.push("stop");
    }
  }
  const stop = new AbortController();
  server.script = (request) => {
    if (firstMessage(request) === "a") return says("x");
    return calls(call("c", "terminal", { command: "sleep 3147" }));
  };
  const watch = setInterval(() => {
    if (sleepers() > 0) stop.abort();
  }, 20);
  const { code, lines, output, directory } = await run(Stopped, { signal: stop.signal }).finally(() =>
    clearInterval(watch),
  );
  expect(code).toBe(130);
  expect(seen).toEqual(["start", "stop"]);
  expect(output).toContain("Interrupted");
  expect(
    lines("journal.jsonl")
      .filter((line) => line.type === "rollout")
      .map((line) => line.item_id),
  ).toEqual(["a", "a"]);
  expect(existsSync(`${directory}/run.lock`)).toBe(false);
  for (let wait = 0; wait < 100 && sleepers() > 0; wait++) await new Promise((resolve) => setTimeout(resolve, 20));
  expect(sleepers()).toBe(0);
});

/** Processes of this machine that run the test's command. */
function sleepers(): number {
  return readdirSync("/proc").filter((name) => /^\d+$/.test(name) && commandOf(name).includes("sleep\u00003147"))
    .length;
}

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    return ""; // it ended meanwhile
  }
}
