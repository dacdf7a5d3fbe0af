import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { processStart } from "./process-start.ts";

const linux = process.platform === "linux";

it.skipIf(!linux)("gives one value for a life of a process, and says when it is gone", async () => {
  const child = spawn("sleep", ["60"]);
  await once(child, "spawn");
  const started = processStart(child.pid!);
  expect(started).toMatch(/^\d+$/);
  expect(processStart(child.pid!)).toBe(started);
  child.kill("SIGKILL");
  await once(child, "exit");
  expect(processStart(child.pid!)).toBe("gone");
});

it.skipIf(!linux)("counts a process that nobody has waited for as gone", async () => {
  // The shell becomes a program that never waits for the child that it inherits.
  const child = spawn("sh", ["-c", "sleep 0 & echo $!; exec sleep 60"]);
  const [line] = (await once(child.stdout, "data")) as [Buffer];
  const zombie = Number(line.toString());
  let state = "";
  for (let tries = 0; state !== "Z" && tries < 200; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    state = readFileSync(`/proc/${zombie}/stat`, "utf8").replace(/^.*\) /, "")[0] ?? "";
  }
  expect(state).toBe("Z");
  expect(processStart(zombie)).toBe("gone");
  child.kill("SIGKILL");
});
