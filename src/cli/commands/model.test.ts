import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { afterEach, describe, expect, it } from "vitest";

const command = new URL("./model.ts", import.meta.url).href;
const program = `
  import { Command } from "commander";
  import { register } from ${JSON.stringify(command)};
  const program = new Command();
  register(program);
  await program.parseAsync(process.argv.slice(1), { from: "user" });
`;
type Child = ChildProcessByStdio<null, Readable, Readable>;
const started: Child[] = [];

function start(...args: string[]): Child {
  const child = spawn(process.execPath, ["--input-type=module-typescript", "-e", program, "model", "serve", ...args], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  started.push(child);
  return child;
}

afterEach(() => {
  for (const child of started.splice(0)) child.kill("SIGKILL");
});

describe("lachesis model serve", () => {
  it("says first where it listens, answers, and ends on SIGTERM", async () => {
    const child = start("--port", "0");
    const [line] = (await once(createInterface({ input: child.stdout }), "line")) as [string];
    const { listening } = JSON.parse(line) as { listening: string };
    expect(await (await fetch(`${listening}/health`)).json()).toMatchObject({ status: "ok", weight_version: 1 });
    child.kill("SIGTERM");
    const [code] = await once(child, "exit");
    expect(code).toBe(0);
  });

  it.each([
    [["--port", "http"], /--port/],
    [["--port", "70000"], /--port/],
    [["--model", "/nonexistent"], /nonexistent/],
  ])("refuses %j", async (args, message) => {
    const child = start(...args);
    let errors = "";
    child.stderr.on("data", (data: Buffer) => {
      errors += data;
    });
    const [code] = await once(child, "exit");
    expect(code).not.toBe(0);
    expect(errors).toMatch(message);
  });
});
