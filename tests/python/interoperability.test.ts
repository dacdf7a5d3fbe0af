/**
 * Python against our API: an environment on the archived package's BaseEnv and its example trainer's own data loader,
 * neither of them changed, and TRL's GRPO trainer. Needs a Python with the packages; see README.md beside this file.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, expect, test, vi } from "vitest";
import { temporaryDirectory } from "../support/run-environment.ts";
import {
  call,
  endAll,
  ended,
  jsonLines,
  MODEL,
  startApi,
  startCommand,
  startModel,
  startPython,
  until,
} from "../support/serving.ts";

const PYTHON = process.env.LACHESIS_PYTHON ?? "python3";
const path = (name: string) => fileURLToPath(new URL(name, import.meta.url));

const missing = whatIsMissing();
if (missing !== null)
  process.stderr.write(`Skipped: interoperability with Python (${missing}; see tests/python/README.md).\n`);

afterEach(endAll);
// Starting Python with its libraries takes half a minute on a busy machine.
vi.setConfig({ testTimeout: 240_000 });

interface Loaded {
  tokens: number[][][];
  labels: number[][][];
  advantages: number[][][];
  temperatures: number[][][][];
  inference_logprobs: number[][][] | null;
  dtypes: string[];
}

test.skipIf(missing !== null)(
  "Python environments feed the example trainer's data loader through our API",
  async () => {
    const folder = temporaryDirectory();
    const [api, model] = await Promise.all([startApi(`sqlite:${join(folder, "api.db")}`), startModel()]);
    const common = {
      "--env.rollout_server_url": api.url,
      "--env.tokenizer_name": MODEL,
      "--env.max_num_workers": 2,
      "--env.steps_per_eval": 2,
      "--openai.base_url": `${model.url}/v1`,
      "--openai.tokenizer_name": MODEL,
      "--slurm": false,
    };
    const environment = (more: Record<string, unknown>) =>
      startPython(PYTHON, [
        path("file_writing_env.py"),
        "serve",
        ...Object.entries({ ...common, ...more }).flatMap(([name, value]) => [name, String(value)]),
      ]);
    // One sends groups of four; the other sends lists of groups of two, which wait until they make up a group of four.
    const environments = [
      environment({}),
      environment({ "--env.parts": 2, "--env.first": 1000, "--env.max_token_length": 95 }),
    ];
    const out = join(folder, "batches.jsonl");
    const trainer = startPython(PYTHON, [
      path("load_batches.py"),
      api.url,
      "8",
      "6",
      out,
      join(folder, "checkpoints"),
      "512",
    ]);
    const told = () => [trainer, ...environments].map(({ output }) => output().slice(-3000)).join("\n----\n");
    await until(() => trainer.child.exitCode !== null, "the data loader", { seconds: 200 }).catch((error) => {
      throw new Error(`${error.message}\n${told()}`);
    });
    expect(await trainer.exit, told()).toBe(0);
    expect(trainer.output()).toContain("inference_logprobs found in batch");

    const batches = jsonLines(out) as unknown as Loaded[];
    expect(batches.length).toBeGreaterThanOrEqual(6);
    for (const { tokens, labels, advantages, temperatures, inference_logprobs, dtypes } of batches) {
      expect([tokens.length, tokens[0]!.length, temperatures[0]!.flat(2)]).toEqual([1, 8, Array(8).fill(1)]);
      expect(dtypes).toEqual(["torch.int64", "torch.int64", "torch.float64"]);
      expect(Math.abs(advantages[0]!.flat().reduce((sum, advantage) => sum + advantage, 0))).toBeLessThan(8);
      labels[0]!.forEach((row, sequence) => {
        expect(row.some((label) => label !== -100)).toBe(true);
        row.forEach((label, place) => {
          const logprob = inference_logprobs![0]![sequence]![place]!;
          if (label === -100) expect(logprob).toBe(1);
          else expect(logprob).toBeLessThanOrEqual(0);
          const next = tokens[0]![sequence]![place + 1];
          if (label !== -100 && next !== undefined) expect(label).toBe(next);
        });
      });
    }

    expect(await call(`${api.url}/wandb_info`)).toEqual({ group: "group", project: "project" });
    const { envs, counts } = await call<{ envs: { name: string }[]; counts: Record<string, number> }>(
      `${api.url}/v2/runs/default`,
    );
    expect(envs.map(({ name }) => name).sort()).toEqual(["file_writing_0", "file_writing_1"]);
    expect(counts.delivered_sequences).toBe(8 * batches.length);
    const latest = await call<{ messages: unknown; generation_params: unknown; tokens: number[][] }>(
      `${api.url}/latest_example`,
    );
    expect(latest.generation_params).toEqual({ temperature: 1 });
    expect(latest.messages).toHaveLength(latest.tokens.length);
    // Two batches lie between checkpoints, and an environment that looks too late skips one: any says that it saw the steps.
    const saved = [2, 4, 6].map((step) =>
      join(folder, "checkpoints", "env_checkpoints", "file_writing_0", `step-${step}.json`),
    );
    await until(() => saved.some((file) => existsSync(file)), "an environment's checkpoint").catch((error) => {
      throw new Error(`${error.message}\n${told()}`);
    });
    for (const { child } of environments) await ended(child, "SIGTERM");
    expect(await call(`${api.url}/disconnect-env`, { env_id: 0 })).toEqual({ status: "success" });
  },
);

test.skipIf(missing !== null)("the public tests of the archived server pass against ours", async (context) => {
  // They name this port themselves.
  if (!(await isFree(8000))) context.skip("port 8000 is in use");
  const suites = ["api_compression", "api_legacy", "api_messages_handling"];
  const run = startPython(
    PYTHON,
    ["-m", "pytest", "-q", "-p", "our_server", "--pyargs", ...suites.map((name) => `atroposlib.tests.test_${name}`)],
    { PYTHONPATH: path("."), LACHESIS: `${process.execPath} ${path("../../src/cli/main.fixture.ts")}` },
  );
  expect(await run.exit, run.output()).toBe(0);
  expect(run.output()).toMatch(/36 passed/);
});

test.skipIf(missing !== null || whatIsMissing("trl") !== null)(
  "TRL's GRPO trainer takes leased batches, finds the log-probabilities its own, and swaps the weights",
  async () => {
    const folder = temporaryDirectory();
    const weights = join(folder, "weights");
    const [api, model] = await Promise.all([startApi(`sqlite:${join(folder, "api.db")}`), startModel()]);
    const settings = {
      "--run-dir": join(folder, "env"),
      "--env.rollout_server_url": api.url,
      "--env.total_steps": -1,
      "--env.group_size": 4,
      "--env.steps_per_eval": 0,
      "--env.ensure_scores_are_not_same": false,
      "--env.max_agent_turns": 2,
      "--openai.server_type": "vllm",
      "--openai.base_url": `${model.url}/v1`,
      "--openai.model_name": "tiny",
      "--openai.tokenizer_name": `${MODEL}/half-trained`,
    };
    const environment = startCommand([
      "serve",
      "terminal-test",
      ...Object.entries(settings).flatMap(([name, value]) => [name, String(value)]),
    ]);
    const trainer = startPython(PYTHON, [
      path("trl_trainer.py"),
      ...[api.url, model.url, `${MODEL}/half-trained`, weights, "4", "4", "3"],
    ]);
    expect(await trainer.exit, `${trainer.output()}\n----\n${environment.output()}`).toBe(0);
    const steps = trainer
      .output()
      .split("\n")
      .filter((line) => line.startsWith('{"step"'))
      .map((line) => JSON.parse(line) as { step: number; mean_reward: number; widest: number });
    expect(steps.map(({ step }) => step)).toEqual([1, 2, 3]);
    // The first batch was sampled with the trainer's own weights.
    expect(steps[0]!.widest).toBeLessThan(0.002);
    const run = await call<{ step: number; counts: Record<string, number> }>(`${api.url}/v2/runs/default`);
    expect([run.step, run.counts.delivered_sequences]).toEqual([3, 48]);
    expect(existsSync(join(weights, "step-3", "model.safetensors"))).toBe(true);
    await ended(environment.child, "SIGTERM");
  },
);

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer().once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}

/** null: all is there. Looks for the packages without loading them, which takes seconds. */
function whatIsMissing(...packages: string[]): string | null {
  const wanted = packages.length > 0 ? packages : ["atroposlib", "example_trainer", "torch", "pytest"];
  const code = "import importlib.util as u, sys; print(*[name for name in sys.argv[1:] if not u.find_spec(name)])";
  const { status, stdout } = spawnSync(PYTHON, ["-c", code, ...wanted], { encoding: "utf8" });
  if (status !== 0) return `${PYTHON} does not run`;
  const names = stdout.trim();
  return names === "" ? null : `${PYTHON} has no ${names.split(" ").join(", ")}`;
}
