import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { createSandbox } from "../sandbox/index.ts";
import { destroyedWhenIdle } from "./idle-sandbox.ts";

test("a sandbox in use lives on; one that nobody uses is destroyed, and using it says why", async () => {
  const inner = await createSandbox({ backend: "plain" });
  const sandbox = destroyedWhenIdle(inner, 0.4);
  await sandbox.writeFile("a", "kept");
  const { stdout } = await sandbox.exec("sleep 1; cat a");
  expect(stdout).toBe("kept");
  const error = await sandbox.closed;
  expect(error).toMatchObject({ code: "sandbox_died", message: expect.stringContaining("env.terminal_lifetime") });
  await expect(sandbox.readFile("a")).rejects.toBe(error);
  await inner.closed;
});

test("what a process prints is use, its mere existence is not", async () => {
  const inner = await createSandbox({ backend: "plain" });
  const sandbox = destroyedWhenIdle(inner, 0.5);
  const process = await sandbox.spawn("for i in 1 2 3 4 5; do echo $i; sleep 0.25; done; sleep 100");
  let closed = false;
  void sandbox.closed.then(() => {
    closed = true;
  });
  await sleep(1_000);
  expect(closed).toBe(false);
  await sandbox.closed;
  await process.exited;
});

test("a sandbox that its rollout destroys ended in order", async () => {
  const sandbox = destroyedWhenIdle(await createSandbox({ backend: "plain" }), 60);
  await sandbox.destroy();
  expect(await sandbox.closed).toBeNull();
});
