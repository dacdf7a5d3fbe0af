/**
 * A run is killed with SIGKILL, again and again, and started with the same command: at the end every rollout is there
 * once, and no finished one was asked for a second time.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, expect, test } from "vitest";
import { says, startOpenAIServer } from "./support/openai-server.ts";
import { temporaryDirectory } from "./support/run-environment.ts";

const environment = fileURLToPath(new URL("support/environments/echo-env.ts", import.meta.url));
const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
});

function start(mode: string, baseUrl: string, runDir: string, more: string[] = []) {
  const flags = ["--run-dir", runDir, "--openai.base_url", baseUrl, "--openai.model_name", "m", ...more];
  const child = spawn(process.execPath, [environment, mode, ...flags], { stdio: ["ignore", "pipe", "pipe"] });
  children.push(child);
  const output: string[] = [];
  child.stdout.on("data", (data: Buffer) => output.push(data.toString()));
  child.stderr.on("data", (data: Buffer) => output.push(data.toString()));
  const ended = once(child, "exit").then(([code]) => ({ code: code as number | null, output: output.join("") }));
  return { child, ended };
}

function linesOf(path: string): Record<string, unknown>[] {
  if (!existsSync(path)) return [];
  return readFileSync(path, "utf8")
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line));
}

const rolloutIds = (runDir: string) =>
  linesOf(join(runDir, "journal.jsonl"))
    .filter((line) => line.type === "rollout")
    .map((line) => String(line.rollout_id));

/** Answers each question after a while, and counts how often it was asked. */
async function countingServer() {
  const asked = new Map<string, number>();
  const server = await startOpenAIServer(async ({ body }) => {
    const { content } = (body.messages as { content: string }[])[0]!;
    const [id = "", word = ""] = content.split(": say ");
    asked.set(id, (asked.get(id) ?? 0) + 1);
    await new Promise((resolve) => setTimeout(resolve, 5 + ((word.length * 7 + id.length * 13) % 40)));
    return says(word);
  });
  return { server, asked };
}

/** Waits until the journal holds so many rollouts; gives up when the process ends. */
async function untilRollouts(child: ChildProcess, runDir: string, count: number): Promise<void> {
  for (let wait = 0; wait < 3000 && child.exitCode === null; wait++) {
    const journal = join(runDir, "journal.jsonl");
    if (existsSync(journal) && readFileSync(journal, "utf8").split('"type":"rollout"').length > count) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

test("process, killed three times, makes every rollout once", async () => {
  const { server, asked } = await countingServer();
  const runDir = join(temporaryDirectory(), "run");
  const flags = ["--env.group_size", "3", "--env.max_num_workers", "4"];
  try {
    const finished: string[] = [];
    for (const kill of [8, 20, 40]) {
      const { child, ended } = start("process", server.baseUrl, runDir, flags);
      await untilRollouts(child, runDir, kill);
      child.kill("SIGKILL");
      await ended;
      finished.push(...rolloutIds(runDir).filter((id) => !finished.includes(id)));
      asked.clear();
    }
    // What a power cut leaves: a line that was not finished.
    writeFileSync(join(runDir, "journal.jsonl"), '{"type":"rollout","rollout_id":"item-19', { flag: "a" });
    const last = await start("process", server.baseUrl, runDir, flags).ended;
    expect(last.output).toContain("mean reward");
    expect(last.code).toBe(0);
    const ids = rolloutIds(runDir);
    expect(ids).toHaveLength(60);
    expect(new Set(ids).size).toBe(60);
    for (const id of finished) expect(asked.has(id), `${id} was finished and asked again`).toBe(false);
    const groups = linesOf(join(runDir, "groups.jsonl"));
    expect(groups.map((group) => group.group_id).sort()).toEqual(
      Array.from({ length: 20 }, (_, index) => `item-${index}`).sort(),
    );
    for (const group of groups) expect(group.scores).toEqual([1, 1, 1]);
    // Each group is in one line of the metrics with all its rollouts, also those that a killed process did not log.
    const metrics = linesOf(join(runDir, "metrics.jsonl"));
    const sum = (name: string) => metrics.reduce((total, row) => total + Number(row[name]), 0);
    expect([sum("train/groups"), sum("train/rollouts_finished"), sum("train/rollouts_scored")]).toEqual([20, 60, 60]);
    expect(metrics.at(-1)).toMatchObject({ step: 20 });

    asked.clear();
    const again = await start("process", server.baseUrl, runDir, flags).ended;
    expect(again.code).toBe(0);
    expect(asked.size).toBe(0);
  } finally {
    await server.stop();
  }
});

test("evaluate, killed, goes on and counts every attempt once", async () => {
  const { server } = await countingServer();
  const runDir = join(temporaryDirectory(), "run");
  const flags = ["--env.eval_attempts", "2", "--env.max_eval_workers", "4"];
  try {
    const { child, ended } = start("evaluate", server.baseUrl, runDir, flags);
    await untilRollouts(child, runDir, 10);
    child.kill("SIGKILL");
    await ended;
    const last = await start("evaluate", server.baseUrl, runDir, flags).ended;
    expect(last.code).toBe(0);
    const samples = linesOf(join(runDir, "samples.jsonl"));
    expect(samples).toHaveLength(40);
    expect(new Set(samples.map((sample) => sample.rollout_id)).size).toBe(40);
    const metrics = JSON.parse(readFileSync(join(runDir, "metrics.json"), "utf8"));
    expect(metrics.results.all).toMatchObject({ "eval/n": 40, "eval/n_items": 20, "eval/pass^2": 1 });
  } finally {
    await server.stop();
  }
});

test("another configuration in the same directory: exit code 2, and what differs", async () => {
  const { server } = await countingServer();
  const runDir = join(temporaryDirectory(), "run");
  try {
    expect((await start("process", server.baseUrl, runDir, ["--env.total_steps", "2"]).ended).code).toBe(0);
    const other = await start("process", server.baseUrl, runDir, ["--env.total_steps", "3"]).ended;
    expect(other.code).toBe(2);
    expect(other.output).toContain("env.total_steps: 2 there, 3 now");
  } finally {
    await server.stop();
  }
});

test("Ctrl-C keeps what is finished, says how to go on, and exits with 130", async () => {
  const { server } = await countingServer();
  const runDir = join(temporaryDirectory(), "run");
  try {
    const { child, ended } = start("process", server.baseUrl, runDir, ["--env.max_num_workers", "2"]);
    await untilRollouts(child, runDir, 10);
    child.kill("SIGINT");
    const { code, output } = await ended;
    expect(code).toBe(130);
    expect(output).toContain("Interrupted");
    expect(output).toMatch(/Continue: .*--run-dir/);
    const kept = rolloutIds(runDir).length;
    expect(kept).toBeGreaterThanOrEqual(10);
    expect(kept).toBeLessThan(80);
    expect(existsSync(join(runDir, "report.html"))).toBe(true);
    expect(existsSync(join(runDir, "run.lock"))).toBe(false);
  } finally {
    await server.stop();
  }
});
