import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { fileSafe, openRun, type RunIdentity } from "./run-directory.ts";

const made: string[] = [];
afterEach(() => {
  for (const path of made.splice(0)) rmSync(path, { recursive: true, force: true });
});

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "lachesis-run-"));
  made.push(path);
  return path;
}

const identity = (env: Record<string, unknown> = {}): RunIdentity => ({
  environment: "greet",
  mode: "process",
  config: { env: { group_size: 4, seed: 0, ...env }, openai: [{ model_name: "m", timeout: 10 }] },
});

test("another configuration is refused and what differs is named", async () => {
  const directory = join(folder(), "run");
  await (await openRun(identity(), { directory, resume: false })).release();
  writeFileSync(
    join(directory, "journal.jsonl"),
    `${JSON.stringify({ type: "rollout", rollout_id: "a/0", outcome: {} })}\n`,
  );
  const other = openRun(identity({ group_size: 8, note: "x" }), { directory, resume: false });
  await expect(other).rejects.toMatchObject({
    code: "config_invalid",
    message: expect.stringMatching(/env\.group_size: 4 there, 8 now\n {2}env\.note: absent there, "x" now/),
  });
  const server = { ...identity(), config: { ...identity().config, openai: [{ model_name: "n", timeout: 10 }] } };
  await expect(openRun(server, { directory, resume: false })).rejects.toThrow('openai.model_name: "m" there, "n" now');
  await expect(openRun({ ...identity(), mode: "evaluate" }, { directory, resume: false })).rejects.toThrow(
    "mode: process there, evaluate now",
  );
  const again = await openRun(identity(), { directory, resume: false });
  expect(again.resumed).toBe(true);
  await again.release();
});

test("a directory in which nothing was made, as by a setup that failed, takes another configuration", async () => {
  const directory = join(folder(), "run");
  await (await openRun(identity(), { directory, resume: false })).release();
  writeFileSync(join(directory, "journal.jsonl"), '{"type":"run","at":"2026-01-01T00:00:00Z","pid":1}\n');
  const corrected = await openRun(identity({ group_size: 8 }), { directory, resume: false });
  expect(corrected).toMatchObject({ resumed: false, file: { config: { env: { group_size: 8 } } } });
  await corrected.release();
});

test("resume finds the newest run of the same configuration", async () => {
  const root = folder();
  const at = (minute: number) => new Date(Date.UTC(2026, 0, 1, 0, minute));
  const open = async (env: Record<string, unknown>, minute: number) => {
    const run = await openRun(identity(env), { directory: null, resume: false, root, now: at(minute) });
    await run.release();
    return run.path;
  };
  await open({}, 1);
  const wanted = await open({}, 2);
  await open({ seed: 1 }, 3);
  const run = await openRun(identity(), { directory: null, resume: true, root, now: at(4) });
  expect(run).toMatchObject({ path: wanted, resumed: true });
  await run.release();
  const fresh = await openRun(identity({ seed: 2 }), { directory: null, resume: true, root, now: at(4) });
  expect(fresh.resumed).toBe(false);
  expect(fresh.path).toContain("greet-2026-01-01-000400");
  await fresh.release();
});

test("a directory is used by one process at a time", async () => {
  const directory = join(folder(), "run");
  const run = await openRun(identity(), { directory, resume: false });
  await expect(openRun(identity(), { directory, resume: false })).rejects.toMatchObject({ code: "conflict" });
  await run.release();
  await (await openRun(identity(), { directory, resume: false })).release();
});

test("the lock of a process that was killed is taken over", async () => {
  const directory = join(folder(), "run");
  await (await openRun(identity(), { directory, resume: false })).release();
  const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"]);
  const started = readFileSync(`/proc/${child.pid}/stat`, "utf8").split(" ")[21];
  const lock = JSON.stringify({ pid: child.pid, host: hostname(), started });
  writeFileSync(join(directory, "run.lock"), lock);
  await expect(openRun(identity(), { directory, resume: false })).rejects.toMatchObject({ code: "conflict" });
  child.kill("SIGKILL");
  await once(child, "exit");
  await (await openRun(identity(), { directory, resume: false })).release();
  // The same process id, given to another process since, is no owner.
  writeFileSync(join(directory, "run.lock"), JSON.stringify({ pid: process.pid, host: hostname(), started: "1" }));
  await (await openRun(identity(), { directory, resume: false })).release();
  writeFileSync(join(directory, "run.lock"), '{"pid":');
  await (await openRun(identity(), { directory, resume: false })).release();
});

test("names become file names that stay apart", () => {
  expect(fileSafe("terminal-test")).toBe("terminal-test");
  expect(fileSafe("a/b")).not.toBe(fileSafe("a:b"));
  expect(fileSafe("../..")).not.toContain("/");
});
