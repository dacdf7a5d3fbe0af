/** `serve` as a trainer and a user see it: it waits, keeps the queue filled and no more, evaluates, and ends in order. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, expect, test, vi } from "vitest";
import { temporaryDirectory } from "./support/run-environment.ts";
import {
  call,
  endAll,
  ended,
  type Group,
  itemOf,
  jsonLines,
  MODEL,
  startApi,
  startCommand,
  startEnvironment,
  startModel,
  startTrainer,
  takeBatches,
  until,
} from "./support/serving.ts";

afterEach(endAll);
// Every test starts several programs, which takes its time on a busy machine.
vi.setConfig({ testTimeout: 240_000 });

const queued = async (url: string) => (await call<{ queue_size: number }>(`${url}/status`)).queue_size;

test("waits for the API and its trainer, fills the queue to the off-policy limit, and goes on as batches are taken", async () => {
  const folder = temporaryDirectory();
  const api = await startApi("memory:");
  const env = startEnvironment(api.url, join(folder, "run"), { max_batches_offpolicy: 2, equal_every: 4 });
  await until(() => env.output().includes("Waiting for a trainer to start"), "a word about the trainer");
  expect(env.events().filter(({ event }) => event === "begin")).toEqual([]);

  await startTrainer(api.url, 8, { num_steps: 6 });
  await until(async () => (await queued(api.url)) === 4, "a full queue");
  const begun = () => env.events().filter(({ event }) => event === "begin").length;
  await sleep(700);
  const before = begun();
  await sleep(700);
  expect([await queued(api.url), begun()]).toEqual([4, before]);

  const batches = await takeBatches(api.url, 6);
  expect(batches.map((batch) => batch.reduce((sum, group) => sum + group.scores.length, 0))).toEqual(Array(6).fill(8));
  const items = batches.flat().map(itemOf);
  expect(new Set(items).size).toBe(items.length);
  expect(items.filter((item) => item % 4 === 3)).toEqual([]);
  expect(await env.exit).toBe(0);
  expect(env.output()).toContain("All 6 training steps are fed");
  expect(env.output()).toMatch(/Groups not written: \d+ equal_scores/);
  const lines = jsonLines(join(folder, "run", "metrics.jsonl"));
  expect(lines.length).toBeGreaterThan(1);
  expect(lines[0]).toMatchObject({ "train/items_sent_to_api": expect.any(Number), "train/seen": 1 });
});

test.each(["STOP_TRAIN", "LIMIT_TRAIN", "NONE"])(
  "evaluates every two steps with %s, apart from training",
  async (handling) => {
    const folder = temporaryDirectory();
    const api = await startApi("memory:");
    const env = startEnvironment(api.url, join(folder, "run"), {
      eval_handling: handling,
      steps_per_eval: 2,
      max_num_workers: 2,
      max_eval_workers: 4,
      delay_ms: 60,
      eval_ms: 900,
      max_batches_offpolicy: 20,
      data_dir_to_save_evals: join(folder, "evals"),
    });
    await startTrainer(api.url, 4);
    await takeBatches(api.url, 2);
    const evalEvents = (event: string) => env.events().filter((one) => one.split === "eval" && one.event === event);
    await until(() => evalEvents("end").length >= 4, "an evaluation");
    const metrics = join(folder, "evals", "step-2", "metrics.json");
    await until(() => existsSync(metrics), "the evaluation's log");
    await sleep(500);
    expect(await ended(env.child, "SIGTERM")).toBe(130);

    const [from, to] = [evalEvents("begin")[0]!.at, evalEvents("end")[3]!.at];
    const duringIt = env.events().filter(({ at, split }) => split === "train" && at > from + 100 && at < to);
    const began = duringIt.filter(({ event }) => event === "begin").length;
    if (handling === "STOP_TRAIN") expect(began).toBe(0);
    else expect(began).toBeGreaterThan(0);
    // What was in flight when it began has finished.
    const ids = (event: string) => env.events().flatMap((one) => (one.event === event && one.at <= to ? [one.id] : []));
    const open = ids("begin").filter((id) => !ids("end").includes(id));
    if (handling === "STOP_TRAIN") expect(open).toEqual([]);
    expect(JSON.parse(readFileSync(metrics, "utf8")).results.all).toMatchObject({ "eval/n": 4, "eval/seen": 1 });
    expect(jsonLines(join(folder, "evals", "step-2", "samples.jsonl"))).toHaveLength(4);
    const rows = jsonLines(join(folder, "run", "metrics.jsonl"));
    expect(rows.filter((row) => "eval/mean_reward" in row && "train/reward_mean" in row)).toEqual([]);
  },
);

test("a rollout that hangs is ended and made again, and its group arrives whole", async () => {
  const folder = temporaryDirectory();
  const api = await startApi("memory:");
  const env = startEnvironment(api.url, join(folder, "run"), { items: 4, hang_every: 2, worker_timeout: 0.5 });
  await startTrainer(api.url, 16);
  const [batch] = await takeBatches(api.url, 1);
  expect(batch!.map(itemOf).sort()).toEqual([0, 1, 2, 3]);
  expect(batch!.map(({ scores }) => scores)).toEqual(Array(4).fill([0, 1, 2, 3]));
  expect(await env.exit).toBe(0);
  const retries = jsonLines(join(folder, "run", "journal.jsonl")).filter(({ type }) => type === "retry");
  expect(retries).toHaveLength(8);
  expect(retries[0]).toMatchObject({ error: { code: "timeout" } });
});

test("makes one batch for a trainer that is gone, and goes on when it comes back", async () => {
  const folder = temporaryDirectory();
  const api = startCommand(["api", "--port", "0", "--store", "memory:", "--env-silence", "1"]);
  await until(() => api.output().includes("\n"), "the API");
  const { listening: url } = JSON.parse(api.output().split("\n")[0]!) as { listening: string };
  await startTrainer(url, 8);
  await sleep(1_500);
  const env = startEnvironment(url, join(folder, "run"), { max_batches_offpolicy: 4, max_num_workers: 1 });
  await until(() => env.output().includes("Waiting for the trainer: it has not asked"), "a word about the trainer");
  await until(async () => (await queued(url)) === 2, "a batch");
  await sleep(1_500);
  expect([await queued(url), env.events().filter(({ event }) => event === "begin")]).toMatchObject([2, { length: 8 }]);
  // A call within ten seconds of the one before is not written down as a sign of life.
  const taken: Group[] = [];
  await until(
    async () => {
      taken.push(...((await call<{ batch: Group[] | null }>(`${url}/batch`)).batch ?? []));
      return env.output().includes("The trajectory API and its trainer answer");
    },
    "the trainer's return",
    { pauseMs: 300 },
  );
  await takeBatches(url, 2);
  expect(taken.map(itemOf).slice(0, 2)).toEqual([0, 1]);
  expect(await ended(env.child, "SIGTERM")).toBe(130);
});

test("a group that no batch can hold is an error, said before anything is made", async () => {
  const folder = temporaryDirectory();
  const api = await startApi("memory:");
  await startTrainer(api.url, 2);
  const env = startEnvironment(api.url, join(folder, "run"));
  expect(await env.exit).not.toBe(0);
  expect(env.output()).toContain("env.group_size is 4, but the trainer takes batches of 2");
  expect(env.events().filter(({ event }) => event === "begin")).toEqual([]);
});

test("what the trainer gets is what the model sampled: tokens, masks and log-probabilities of real rollouts", async () => {
  const folder = temporaryDirectory();
  const [api, model] = await Promise.all([startApi("memory:"), startModel()]);
  await startTrainer(api.url, 4, { max_token_len: 2048 });
  const serve = startCommand([
    ...["serve", "terminal-test", "--run-dir", join(folder, "run"), "--openai.server_type", "embedded"],
    ...[
      "--openai.model_name",
      join(MODEL, "half-trained"),
      "--env.rollout_server_url",
      api.url,
      "--env.group_size",
      "2",
    ],
    ...["--env.steps_per_eval", "0", "--env.ensure_scores_are_not_same", "false", "--env.max_num_workers", "2"],
    ...["--env.include_messages", "true"],
  ]);
  const batches = await takeBatches(api.url, 2, 150).catch((error) => {
    throw new Error(`${error.message}\n${serve.output()}`);
  });
  await ended(serve.child, "SIGTERM");
  const groups = batches.flat() as (Group & {
    inference_logprobs: number[][];
    weight_versions: number[];
    messages: unknown[][];
    generation_params: { tools: { function: { name: string } }[] };
  })[];
  expect(groups).toHaveLength(4);
  for (const { tokens, masks, scores, inference_logprobs, weight_versions, messages, generation_params } of groups) {
    expect(scores.every((score) => score === 0 || score === 1)).toBe(true);
    expect(weight_versions).toEqual([1, 1]);
    expect(messages).toHaveLength(2);
    expect(generation_params.tools.map((tool) => tool.function.name)).toContain("terminal");
    for (const [row, ids] of tokens.entries()) {
      // The same weights, asked for the probability of each token that stands there.
      const answer = await call<{ prompt_logprobs: ({ [id: string]: number } | null)[] }>(`${model.url}/generate`, {
        prompt: { prompt_token_ids: ids },
        prompt_logprobs: 1,
        max_tokens: 1,
      });
      expect(masks[row]!.some((mask) => mask !== -100)).toBe(true);
      ids.forEach((id, place) => {
        const logprob = inference_logprobs[row]![place]!;
        const isSampled = masks[row]![place] !== -100;
        if (isSampled) expect(masks[row]![place]).toBe(id);
        if (isSampled) expect(logprob).toBeCloseTo(answer.prompt_logprobs[place]![String(id)]!, 3);
        else expect(logprob).toBe(1);
      });
    }
  }
});
