/** The trainer against a real trajectory API and a real inference server, with a small model of random weights. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EmbeddedServer } from "lachesis/inference";
import { type ScoredGroup, startApi } from "lachesis/trajectory";
import { afterAll, describe, expect, it } from "vitest";
import { CheckpointFolders } from "../../src/inference/embedded/checkpoint.fixture.ts";
import { embeddedHttp } from "../../src/inference/embedded/http/http-server.ts";
import { adamW, clipGradient, newAdamWState } from "./adamw.ts";
import { BatchSource } from "./batch-source.ts";
import { Checkpoints } from "./checkpoint.ts";
import { addGradient } from "./gradient.ts";
import { GradientThreads } from "./gradient-threads.ts";
import { type TrainingGroup, tokenWeights, trainingGroup } from "./grpo.ts";
import type { MetricsRow } from "./metrics.ts";
import { Llama } from "./network/llama.ts";
import { Trainer, type TrainerOptions } from "./trainer.ts";

const root = mkdtempSync(join(tmpdir(), "lachesis-trainer-"));
const folders = new CheckpointFolders();
const model = folders.random(4);
const server = await EmbeddedServer.open({ model });
const http = embeddedHttp(server);
const inference = await http.listen({ host: "127.0.0.1", port: 0 });
const api = await startApi({ port: 0, store: "memory:" });
afterAll(async () => {
  await api.close();
  await http.close();
  await server.close();
  folders.remove();
  rmSync(root, { recursive: true, force: true });
});

const PROMPT = [5, 6, 7];
const SIZE = 8;

/** Rollouts of the present weights; what is wanted are small ids. */
async function sampled(seed: number): Promise<ScoredGroup> {
  const answer = await server.generate({ prompt_token_ids: PROMPT, n: SIZE, max_tokens: 6, ignore_eos: true, seed });
  const version = server.weightVersion;
  return {
    tokens: answer.completions.map(({ tokens }) => [...PROMPT, ...tokens]),
    masks: answer.completions.map(({ tokens }) => [...PROMPT.map(() => -100), ...tokens]),
    scores: answer.completions.map(({ tokens }) => tokens.filter((token) => token < 20).length / tokens.length),
    inference_logprobs: answer.completions.map(({ logprobs }) => [...PROMPT.map(() => 1), ...logprobs]),
    weight_versions: [version, version],
    group_id: `g${seed}`,
  };
}

async function post(path: string, body: unknown): Promise<void> {
  const headers = { "content-type": "application/json" };
  const response = await fetch(api.url + path, { method: "POST", headers, body: JSON.stringify(body) });
  expect(response.status).toBe(200);
}

interface Started {
  trainer: Trainer;
  source: BatchSource;
  rows: MetricsRow[];
}

async function start(name: string, run: string, steps: number, protocol: "auto" | "v1" = "auto"): Promise<Started> {
  const directory = join(root, name);
  const rows: MetricsRow[] = [];
  const signal = AbortSignal.timeout(50_000);
  const options: TrainerOptions = {
    steps,
    grpo: { clip: 0.2, clipHigh: 0.2, ratioLimit: 3, lossMean: "token", kl: 0 },
    optimizer: { learningRate: 0.02, beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0 },
    warmupSteps: 0,
    updatesPerBatch: 1,
    maxGradientNorm: 1,
    maxTokens: 64,
    maxStaleness: null,
    threads: 2,
    seed: 1,
    servers: [`${inference}/v1`],
    directory,
    signal,
    onStep: (row) => rows.push(row),
  };
  const trainer = await Trainer.open(options, await Checkpoints.open({ directory, model, dtype: "F32", keep: 1 }));
  const source = new BatchSource({
    url: api.url,
    token: null,
    run,
    trainer: "test",
    protocol,
    leaseMs: 60_000,
    registration: {
      wandb_group: "g",
      wandb_project: "p",
      batch_size: SIZE * 2,
      max_token_len: 64,
      checkpoint_dir: directory,
      save_checkpoint_interval: 1,
      starting_step: trainer.step,
      num_steps: steps,
    },
    signal,
    say: () => {},
  });
  await source.register();
  return { trainer, source, rows };
}

const written = (name: string) =>
  readFileSync(join(root, name, "metrics.jsonl"), "utf8")
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line) as MetricsRow);

describe("a step of the optimiser", () => {
  it("lowers the loss, and the gradient is the same on one thread and on several", async () => {
    const checkpoints = await Checkpoints.open({ directory: join(root, "toy"), model, dtype: "F32", keep: 1 });
    const { weights } = await checkpoints.restore();
    const llama = new Llama(checkpoints.config);
    const groups = [await sampled(1), await sampled(2), await sampled(3)].map(
      (group) => trainingGroup(group, 64) as TrainingGroup,
    );
    const sizes = tokenWeights(groups, "token");
    const weighed = groups.map((group, index) => ({ ...group, weights: sizes[index]! }));
    const options = { clip: 0.2, clipHigh: 0.2, ratioLimit: 3, lossMean: "token" as const, kl: 0 };
    const gradient = new Float64Array(weights.length);
    const loss = (into = new Float64Array(weights.length)) => {
      llama.setWeights(weights);
      return addGradient(llama, weighed, options, into).loss;
    };
    const before = loss(gradient);
    const threads = new GradientThreads(checkpoints.config, weights, 2);
    const shared = new Float64Array(weights.length);
    expect((await threads.compute(weighed, options, shared)).loss).toBeCloseTo(before, 12);
    await threads.close();
    shared.forEach((value, at) => {
      expect(Math.abs(value - gradient[at]!)).toBeLessThan(1e-12);
    });
    expect(clipGradient(gradient, 0.01)).toBeGreaterThan(0.01);
    expect(Math.hypot(...gradient)).toBeCloseTo(0.01, 10);
    const optimizer = { learningRate: 0.003, beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0.1 };
    adamW(weights, gradient, newAdamWState(weights.length), checkpoints.parameters.slots, optimizer);
    expect(loss()).toBeLessThan(before - 1e-3);
  });
});

describe("the trainer", () => {
  it("learns from what the API hands out, swaps the weights and goes on after a kill", async () => {
    const first = await start("v2", "a", 2);
    const version = server.weightVersion;
    const running = first.trainer.run(first.source);
    for (const seed of [1, 2]) await post("/v2/runs/a/groups", await sampled(seed));
    // Equal scores: a step without an update is a step all the same.
    const flat = { ...(await sampled(3)), scores: Array<number>(SIZE).fill(1) };
    for (const id of ["x", "y"]) await post("/v2/runs/a/groups", { ...flat, group_id: id });
    await running;
    await first.trainer.close();
    expect(first.source.protocol).toBe("v2");
    expect(server.weightVersion).toBe(version + 2);
    expect(first.rows.map(({ step, trained_groups, staleness }) => [step, trained_groups, staleness])).toEqual([
      [1, 2, 0],
      [2, 0, 1],
    ]);
    expect(first.rows[0]!.widest_logprob_difference).toBeLessThan(1e-4);
    expect(first.rows[1]).toMatchObject({ mean_reward: 1, skipped: { equal_scores: 2 } });
    expect(readdirSync(join(root, "v2")).sort()).toEqual(["metrics.jsonl", "step-000002"]);

    // Killed after the checkpoint and before the acknowledgement: the same batch comes once more.
    const second = await start("v2", "b", 3);
    expect(second.trainer.step).toBe(2);
    for (const id of ["x", "y"]) await post("/v2/runs/b/groups", { ...flat, group_id: id });
    for (const seed of [5, 6]) await post("/v2/runs/b/groups", await sampled(seed));
    await second.trainer.run(second.source);
    await second.trainer.close();
    expect(second.rows.map(({ step, trained_groups }) => [step, trained_groups])).toEqual([[3, 2]]);
    expect(written("v2").map(({ step }) => step)).toEqual([1, 2, 3]);
    const run = await (await fetch(`${api.url}/v2/runs/b`)).json();
    expect(JSON.stringify(run)).not.toContain('"leased":1');
  });

  it("raises the reward", async () => {
    const { trainer, source, rows } = await start("learns", "c", 8);
    const running = trainer.run(source);
    for (let step = 0; step < 8; step++) {
      for (const place of [0, 1]) await post("/v2/runs/c/groups", await sampled(100 + step * 2 + place));
      while (rows.length <= step) await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await running;
    await trainer.close();
    const mean = (some: MetricsRow[]) => some.reduce((sum, row) => sum + row.mean_reward, 0) / some.length;
    expect(mean(rows.slice(-3))).toBeGreaterThan(mean(rows.slice(0, 3)) + 0.1);
  });

  it("speaks protocol v1 where it must", async () => {
    const { trainer, source, rows } = await start("v1", "default", 1, "v1");
    for (const seed of [8, 9]) await post("/scored_data", { ...(await sampled(seed)), weight_versions: null });
    await trainer.run(source);
    await trainer.close();
    expect(rows).toMatchObject([{ step: 1, groups: 2, rollouts: 2 * SIZE, staleness: null }]);
  });
});
