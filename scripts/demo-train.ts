/**
 * `npm run demo:train`: a model learns, on this machine, in minutes. It starts the trajectory API, the half-trained
 * embedded model as an inference server, terminal-test's `serve` and the example trainer, draws the mean reward while it
 * rises, and says at the end whether it rose enough. Whatever ends it, `kill -9` included, it leaves no process behind.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { generateTasks } from "../environments/terminal-test/tasks.ts";
import { lineOf, MetricsFile, type MetricsRow } from "../examples/trainer/metrics.ts";
import { rewardBar, rewardSvg, rewardText, verdictOf } from "../examples/trainer/reward-plot.ts";
import { ChildProcesses } from "./child-processes.ts";
import { whenNpmEnds } from "./end-with-npm.ts";

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    steps: { type: "string", default: "30" },
    "batch-size": { type: "string", default: "96" },
    tasks: { type: "string", default: "60" },
    lr: { type: "string", default: "7e-4" },
    "warmup-steps": { type: "string", default: "10" },
    "updates-per-batch": { type: "string", default: "2" },
    target: { type: "string", default: "0.15" },
    model: { type: "string", default: "models/tiny/half-trained" },
    "run-dir": { type: "string" },
    help: { type: "boolean", default: false },
  },
});
if (values.help) {
  say("npm run demo:train -- [--seed 1] [--steps 30] [--batch-size 96] [--tasks 60] [--target 0.15] [--model DIR]");
  say("                      [--lr 7e-4] [--warmup-steps 10] [--updates-per-batch 2] [--run-dir DIR]");
  say("The same --run-dir goes on where it was; --tasks 0 draws new tasks without end.");
  process.exit(0);
}

process.chdir(fileURLToPath(new URL("..", import.meta.url)));
const steps = number("steps", values.steps, 1);
const seed = number("seed", values.seed, 0);
const tasks = number("tasks", values.tasks, 0);
const target = Number(values.target);
const GROUP_SIZE = 8;
const stamp = new Date().toISOString().slice(0, 19).replace("T", "-").replaceAll(":", "");
const directory = values["run-dir"] ?? join("runs", `demo-train-${stamp}-seed-${seed}`);
mkdirSync(join(directory, "logs"), { recursive: true });
const started = performance.now();
const lachesis = "bin/lachesis.js";
const children = new ChildProcesses(join(directory, "logs"));
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, interrupted);
whenNpmEnds(interrupted);

say("Lachesis demo: a half-trained model learns terminal-test by reinforcement (GRPO)");
say(`seed ${seed}, ${steps} steps of ${values["batch-size"]} rollouts; everything is written to ${directory}\n`);
const rows: MetricsRow[] = await new MetricsFile(join(directory, "metrics.jsonl")).rows();
const keptFile = join(directory, "demo.json");
let drawn = 0;
try {
  await train();
} catch (error) {
  if (!children.stopping) say(`\n${error instanceof Error ? error.message : String(error)}`);
  await children.stop();
  process.exit(1);
}
await children.stop();
process.exit(verdict());

function interrupted(): void {
  if (children.stopping) children.kill();
  else say("\nStopping; the same --run-dir goes on from here.");
  void children.stop().then(() => process.exit(130));
}

async function train(): Promise<void> {
  const store = `sqlite:${join(directory, "api.db")}`;
  // A run that goes on keeps its addresses and its length: the environment and the API know it by them.
  const kept = readKept();
  if (kept.steps !== steps) throw new Error(`${directory} is a run of ${kept.steps} steps; --steps cannot change.`);
  const serveModel = [lachesis, "model", "serve", "--model", values.model, "--port", kept.model];
  const [api, inference] = await Promise.all([
    children.start("api", [lachesis, "api", "--store", store, "--port", kept.api], { listens: true }),
    children.start("model", serveModel, { listens: true }),
  ]);
  writeFileSync(keptFile, JSON.stringify({ api: new URL(api).port, model: new URL(inference).port, steps }));
  const trainer = ["examples/trainer/main.ts", "--json", "--api", api, "--server", inference, "--out", directory];
  const settings = ["model", "steps", "batch-size", "lr", "warmup-steps", "updates-per-batch", "seed"] as const;
  const done = children.run(
    "trainer",
    [...trainer, ...settings.flatMap((name) => [`--${name}`, values[name]])],
    (line) => {
      const row = JSON.parse(line) as MetricsRow;
      rows.push(row);
      draw(row);
    },
  );
  await children.start("serve", [
    ...[lachesis, "serve", "environments/terminal-test/env.ts", "--run-dir", join(directory, "env")],
    ...["--env.rollout_server_url", api, "--env.seed", String(seed), "--env.total_steps", "-1"],
    ...["--env.group_size", String(GROUP_SIZE), "--env.max_batches_offpolicy", "1", "--env.steps_per_eval", "0"],
    // The trainer leaves out groups of equal scores itself: so the mean is that of all rollouts.
    ...["--env.ensure_scores_are_not_same", "false", "--env.use_wandb", "false"],
    ...["--env.max_agent_turns", "2", "--env.max_token_length", "192"],
    ...["--openai.server_type", "vllm", "--openai.base_url", `${inference}/v1`, "--openai.model_name", "tiny"],
    ...["--openai.tokenizer_name", values.model, ...dataset()],
  ]);
  await done;
}

/**
 * A fixed set of the environment's own training tasks, passed over again and again: the first steps and the last ones then
 * meet the same tasks, and their difference is what was learned, not which tasks were drawn.
 */
function dataset(): string[] {
  if (tasks === 0) return [];
  const file = join(directory, "tasks.jsonl");
  const rows = generateTasks({ seed, count: tasks, split: "train" });
  writeFileSync(file, rows.map((task) => `${JSON.stringify(task)}\n`).join(""));
  return ["--env.dataset_name", file, "--env.eval_size", "0"];
}

interface Kept {
  /** Ports; "0" takes a free one. */
  api: string;
  model: string;
  steps: number;
}

function readKept(): Kept {
  if (!existsSync(keptFile)) return { api: "0", model: "0", steps };
  return JSON.parse(readFileSync(keptFile, "utf8")) as Kept;
}

/** On a terminal the plot is drawn over the one before; elsewhere each step is a line, and the lines are the plot's bars. */
function draw(row: MetricsRow): void {
  const title = `terminal-test, seed ${seed}: mean reward of ${row.rollouts} rollouts by step`;
  const picture = join(directory, "reward.svg");
  writeFileSync(`${picture}.tmp`, rewardSvg(rows, steps, title));
  renameSync(`${picture}.tmp`, picture);
  if (!process.stdout.isTTY) {
    say(`${rewardBar(row.mean_reward)} ${lineOf(row, steps)}`);
    return;
  }
  const lines = [...rewardText(rows, steps), lineOf(row, steps)];
  const up = drawn > 0 ? `\u001b[${drawn}A` : "";
  drawn = lines.length;
  process.stdout.write(`${up}${lines.map((line) => `\u001b[2K${line}`).join("\n")}\n`);
}

function verdict(): number {
  if (!process.stdout.isTTY) say(`\n${rewardText(rows, steps).join("\n")}`);
  const result = verdictOf(rows, target);
  const seconds = Math.round((performance.now() - started) / 1000);
  writeFileSync(
    join(directory, "verdict.json"),
    `${JSON.stringify({ seed, steps: rows.length, seconds, ...result })}\n`,
  );
  say(`\n${rows.length} steps in ${Math.floor(seconds / 60)} min ${seconds % 60} s`);
  say(
    `Written: ${["metrics.jsonl", "reward.svg", "verdict.json"].map((name) => relative(".", join(directory, name))).join(", ")}`,
  );
  const newest = rows.at(-1);
  if (newest)
    say(`The trained model: ${relative(".", join(directory, `step-${String(newest.step).padStart(6, "0")}`))}`);
  if (!result) {
    say("Too few steps for a verdict: twenty are needed.");
    return 0;
  }
  const { first, last, difference, learned } = result;
  const sign = difference >= 0 ? "+" : "";
  say(
    `Mean reward: ${first.toFixed(3)} in the first 10 steps, ${last.toFixed(3)} in the last 10 (${sign}${difference.toFixed(3)})`,
  );
  say(
    learned ? `It learned: at least +${target} was asked for.` : `It did not learn enough: +${target} was asked for.`,
  );
  return learned ? 0 : 1;
}

function number(name: string, text: string, least: number): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= least) return value;
  say(`--${name} is "${text}"; a whole number from ${least} is needed.`);
  process.exit(2);
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
