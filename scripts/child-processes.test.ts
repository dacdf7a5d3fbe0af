import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { ChildProcesses } from "./child-processes.ts";

const logs = mkdtempSync(join(tmpdir(), "lachesis-children-"));
let children = new ChildProcesses(logs);
afterEach(async () => {
  await children.stop();
  children.kill();
  children = new ChildProcesses(logs);
});

const program = (code: string) => ["-e", code];
/** Says where it listens, has a child of its own, and lives until it is stopped. */
const server = program(`
  const { pid } = require("node:child_process").spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"]);
  console.log(JSON.stringify({ listening: "pids:" + process.pid + ":" + pid }));
  setInterval(() => {}, 1000);
`);

function lives(pid: number): boolean {
  try {
    // A zombie has ended as well; its parent has not looked yet.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

async function gone(pids: readonly number[]): Promise<boolean> {
  for (let tries = 0; tries < 200 && pids.some(lives); tries++) await sleep(25);
  return !pids.some(lives);
}

describe.runIf(process.platform === "linux")("a demo's programs", () => {
  it("tell where they listen, and end with all that they started", async () => {
    const address = await children.start("server", server, { listens: true });
    const pids = address.split(":").slice(1).map(Number);
    expect(pids.every(lives)).toBe(true);
    await children.stop();
    expect(await gone(pids)).toBe(true);
  });

  it("may end well where nobody needs their address", async () => {
    await children.start("done", program(""));
    const lines: string[] = [];
    await children.run("later", program('setTimeout(() => console.log("still here"), 300)'), (line) =>
      lines.push(line),
    );
    expect(lines).toEqual(["still here"]);
  });

  it("give their lines one by one", async () => {
    const lines: string[] = [];
    await children.run("lines", program('console.log("a\\nb"); process.stdout.write("c\\n")'), (line) =>
      lines.push(line),
    );
    expect(lines).toEqual(["a", "b", "c"]);
  });

  it("fail the demo with the end of their log when one ends that should run", async () => {
    await children.start("broken", program('console.error("no such folder"); process.exit(3)'));
    const endless = children.run("endless", program("setInterval(() => {}, 1000)"), () => {});
    await expect(endless).rejects.toThrow(/broken ended with 3:\nno such folder/);
  });

  it("fail when a program with an end ends badly, or cannot say where it listens", async () => {
    await expect(children.run("worse", program("process.exit(4)"), () => {})).rejects.toThrow(/worse ended with 4/);
    const never = children.start("never", program("process.exit(0)"), { listens: true });
    await expect(never).rejects.toThrow(/never ended with 0/);
  });
});

describe.runIf(process.platform === "linux")("a demo that is killed", () => {
  const here = (file: string) => JSON.stringify(new URL(file, import.meta.url).href);
  const demo = (then: string) => `
    const { ChildProcesses } = await import(${here("./child-processes.ts")});
    const children = new ChildProcesses(${JSON.stringify(logs)});
    const address = await children.start("server", ${JSON.stringify(server)}, { listens: true });
    console.log(address.slice(5));
    ${then}`;

  it("leaves nothing of what it started", async () => {
    const killed = spawn(process.execPath, ["--input-type=module", "-e", demo("setInterval(() => {}, 1000)")]);
    const [line] = (await once(killed.stdout, "data")) as [Buffer];
    const pids = String(line).trim().split(":").map(Number);
    expect(pids.length === 2 && pids.every(lives)).toBe(true);
    killed.kill("SIGKILL");
    expect(await gone(pids)).toBe(true);
  });

  it("by npm's end alone is told to stop", async () => {
    const script = `
      const { whenNpmEnds } = await import(${here("./end-with-npm.ts")});
      whenNpmEnds(() => process.exit());
      console.log(process.pid);
      setInterval(() => {}, 1000);`;
    // As npm runs a script: through a shell that outlives npm.
    const shell = `"${process.execPath}" --input-type=module -e "$SCRIPT"; true`;
    const npm = spawn(
      process.execPath,
      ["-e", `require("child_process").spawn("sh", ["-c", process.env.SHELL_LINE], { stdio: "inherit" })`],
      {
        env: { ...process.env, SCRIPT: script, SHELL_LINE: shell, npm_lifecycle_event: "demo" },
      },
    );
    const [line] = (await once(npm.stdout, "data")) as [Buffer];
    const pid = Number(String(line));
    expect(lives(pid)).toBe(true);
    npm.kill("SIGKILL");
    expect(await gone([pid])).toBe(true);
  });
});

afterAll(() => rmSync(logs, { recursive: true, force: true }));
