/** Ctrl-C at the moments where a program likes to hang: it always ends soon, with 130, and leaves nothing behind. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, expect, test } from "vitest";
import { type OpenAIServer, says, startOpenAIServer } from "../../tests/support/openai-server.ts";

const environment = fileURLToPath(new URL("slow-env.fixture.ts", import.meta.url));
const children: ChildProcess[] = [];
const servers: OpenAIServer[] = [];
afterEach(async () => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  for (const server of servers.splice(0)) await server.stop();
});

async function start(hangsIn: string) {
  const server = await startOpenAIServer(() => says("done"));
  servers.push(server);
  const folder = mkdtempSync(join(tmpdir(), "lachesis-test-"));
  const [runDir, log] = [join(folder, "run"), join(folder, "log")];
  const flags = ["--run-dir", runDir, "--env.hangs_in", hangsIn, "--env.log", log];
  const child = spawn(
    process.execPath,
    [environment, "process", ...flags, "--openai.base_url", server.baseUrl, "--openai.model_name", "m"],
    { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, TMPDIR: folder } },
  );
  children.push(child);
  const output: string[] = [];
  child.stdout.on("data", (data: Buffer) => output.push(data.toString()));
  child.stderr.on("data", (data: Buffer) => output.push(data.toString()));
  const ended = once(child, "exit").then(([code, signal]) => ({ code: code ?? signal, output: output.join("") }));
  const logged = () => (existsSync(log) ? readFileSync(log, "utf8").trim().split("\n") : []);
  return { child, ended, logged, output, runDir, folder };
}

async function until(holds: () => boolean): Promise<void> {
  for (let wait = 0; wait < 6000; wait++) {
    if (holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error("it did not come to that within a minute");
}

const sleeping = () => spawnSync("pgrep", ["-f", "sleep 98765[4]"]).stdout.toString().trim();

test("in setup, before any rollout", async () => {
  const { child, ended, logged, runDir } = await start("setup");
  await until(() => logged().includes("setup"));
  child.kill("SIGINT");
  const { code, output } = await ended;
  expect(code).toBe(130);
  expect(output).toContain("interrupted");
  expect(logged()).toEqual(["setup", "stop"]);
  expect(existsSync(join(runDir, "run.lock"))).toBe(false);
});

test("while the next item is waited for", async () => {
  const { child, ended, logged, runDir } = await start("items");
  await until(() => logged().includes("items"));
  child.kill("SIGINT");
  const { code, output } = await ended;
  expect(code).toBe(130);
  expect(output).toContain("Interrupted");
  expect(logged()).toEqual(["setup", "items", "stop"]);
  expect(existsSync(join(runDir, "run.lock"))).toBe(false);
});

test("twice, with reward code that never comes back: at once, and the sandbox goes", async () => {
  const { child, ended, logged, output } = await start("reward");
  await until(() => logged().some((line) => line.startsWith("reward")));
  expect(sleeping()).not.toBe("");
  child.kill("SIGINT");
  await until(() => output.join("").includes("Press Ctrl-C again"));
  child.kill("SIGINT");
  expect((await ended).code).toBe(130);
  await until(() => sleeping() === "");
});

test("once, with reward code that never comes back: the rollout is given up, and the run is summed up", async () => {
  const { child, ended, logged, runDir } = await start("reward");
  await until(() => logged().some((line) => line.startsWith("reward")));
  child.kill("SIGTERM");
  const { code, output } = await ended;
  expect(code).toBe(130);
  expect(output).toMatch(/Continue: .*--run-dir/);
  expect(sleeping()).toBe("");
  expect(existsSync(join(runDir, "report.html"))).toBe(true);
  expect(existsSync(join(runDir, "run.lock"))).toBe(false);
});
