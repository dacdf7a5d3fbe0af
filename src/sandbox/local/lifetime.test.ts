/** Nothing outlives the process of Node, and what lies on disk goes at the next start. */
import { type ChildProcess, spawn } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createSandbox } from "../index.ts";
import { helperProgram } from "./helper.ts";
import { baseDirectory, reap } from "./owners.ts";
import { FrameDecoder, frame, T } from "./protocol.ts";
import type { LocalSandbox } from "./sandbox.ts";

let temporary: string;
const before = process.env.TMPDIR;
beforeAll(() => {
  temporary = mkdtempSync(join(tmpdir(), "lachesis-lifetime-"));
  process.env.TMPDIR = temporary;
});
afterAll(() => {
  if (before === undefined) delete process.env.TMPDIR;
  else process.env.TMPDIR = before;
  rmSync(temporary, { recursive: true, force: true });
});

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Processes, of the host's view, whose command line holds the text; the dead that nobody has waited for do not count. */
function running(text: string): number {
  let count = 0;
  for (const pid of readdirSync("/proc")) {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) continue;
    try {
      if (
        readFileSync(`/proc/${pid}/cmdline`, "latin1").includes(text) &&
        !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, "latin1"))
      )
        count++;
    } catch {
      count += 0; // it ended while it was looked at
    }
  }
  return count;
}

async function crowd(count: number, marker: string): Promise<ChildProcess> {
  const child = spawn(
    process.execPath,
    [fileURLToPath(new URL("./crowd.fixture.ts", import.meta.url)), String(count), marker],
    {
      stdio: ["ignore", "pipe", "inherit"],
      env: { ...process.env },
    },
  );
  await new Promise<void>((resolve, reject) => {
    child.stdout!.once("data", () => resolve());
    child.once("exit", () => reject(new Error("the crowd ended early")));
  });
  return child;
}

it("a hundred sandboxes end with kill -9 of their process, and the next start removes their directories", async () => {
  const marker = `lachesis-crowd-${process.pid}`;
  const mounts = readFileSync("/proc/mounts", "utf8");
  const child = await crowd(100, marker);
  expect(readdirSync(baseDirectory()).length).toBe(100);
  for (let tries = 0; running(marker) < 200 && tries < 200; tries++) await sleep(50);
  expect(running(marker)).toBeGreaterThanOrEqual(200);
  expect(readFileSync("/proc/mounts", "utf8")).toBe(mounts);
  child.kill("SIGKILL");
  for (let tries = 0; running(marker) > 0 && tries < 200; tries++) await sleep(50);
  expect(running(marker)).toBe(0);
  expect(readFileSync("/proc/mounts", "utf8")).toBe(mounts);
  expect(await reap()).toBe(100);
  expect(readdirSync(baseDirectory())).toEqual([]);
});

it("removes only what is orphaned", async () => {
  const sandbox = await createSandbox({ require_sandbox: true, label: "mine" });
  const base = baseDirectory();
  const place = (name: string, owner: unknown) => {
    mkdirSync(join(base, name, "layer"), { recursive: true });
    if (owner !== null) writeFileSync(join(base, name, "owner.json"), JSON.stringify(owner));
  };
  const own = JSON.parse(readFileSync(join(base, sandbox.id, "owner.json"), "utf8"));
  expect(own).toMatchObject({ pid: process.pid, label: "mine", kind: "sandbox" });
  place("another-start", { ...own, start: "1" });
  place("another-boot", { ...own, boot_id: "00000000-0000-0000-0000-000000000000" });
  place("no-process", { ...own, pid: 2 ** 22 + 1 });
  place("garbage", "text");
  place("just-made", null);
  place("long-made", null);
  utimesSync(join(base, "long-made"), 1000, 1000);
  expect(await reap()).toBe(5);
  expect(readdirSync(base).sort()).toEqual(["just-made", sandbox.id].sort());
  await sandbox.destroy();
  expect(existsSync(join(base, sandbox.id))).toBe(false);
});

it("a sandbox that ends by accident says so to everyone who waits, once", async () => {
  const sandbox = (await createSandbox({ require_sandbox: true })) as LocalSandbox;
  const waiting = [sandbox.exec("sleep 100"), sandbox.spawn("sleep 100").then((process) => process.exited)];
  const settled = Promise.allSettled(waiting);
  await sandbox.exec("true");
  process.kill(sandbox.hostPid, "SIGKILL");
  expect(await settled).toMatchObject([
    { status: "rejected", reason: { code: "sandbox_died" } },
    { status: "rejected", reason: { code: "sandbox_died" } },
  ]);
  await expect(sandbox.readFile("x")).rejects.toMatchObject({ code: "sandbox_died" });
  expect(await sandbox.closed).toMatchObject({ code: "sandbox_died", retryable: true });
  await sandbox.destroy();
});

it("destroys a sandbox whose pid 1 was stopped from outside", async () => {
  const sandbox = (await createSandbox({ require_sandbox: true })) as LocalSandbox;
  process.kill(sandbox.hostPid, "SIGSTOP");
  const waiting = sandbox.exec("true");
  waiting.catch(() => {});
  await sandbox.destroy();
  await expect(waiting).rejects.toMatchObject({ code: "sandbox_closed" });
});

it("a creation that is cancelled at any moment ends at once", async () => {
  for (let turn = 0; turn < 20; turn++) {
    const controller = new AbortController();
    setTimeout(() => controller.abort(), turn);
    const made = await createSandbox({ require_sandbox: true, signal: controller.signal }).catch(
      (error: unknown) => error,
    );
    if (made instanceof Error) expect(made).toMatchObject({ code: "cancelled" });
    else await (made as LocalSandbox).destroy();
  }
});

it("a helper whose input ends, or whose pid 1 is killed, while it makes the sandbox ends with an error", async () => {
  const program = helperProgram();
  if (program.path === null) throw new Error(program.reason);
  for (let turn = 0; turn < 24; turn++) {
    const helper = spawn(program.path, [...program.args], { stdio: ["pipe", "pipe", "ignore"], env: {} });
    helper.stdin.on("error", () => helper.stdin.destroy());
    helper.stdin.write(frame(T.config, 0, Buffer.from("pids=16\0")));
    const ended = new Promise((resolve) => helper.once("close", resolve));
    if (turn % 2 === 0) {
      helper.stdout.resume();
      setTimeout(() => helper.stdin.end(), turn / 2);
      await ended;
    } else {
      const decoder = new FrameDecoder((type, _, payload) => {
        if (type === T.hello) process.kill(payload.readUInt32LE(0), "SIGKILL");
      });
      helper.stdout.on("data", (chunk: Buffer) => decoder.push(chunk));
      expect(await ended).toBe(1);
    }
  }
});
