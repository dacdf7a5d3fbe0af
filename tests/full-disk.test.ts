/** The disk fills up in the middle of a run: it is said, nothing is corrupted, and with room again the run goes on. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { says, startOpenAIServer } from "./support/openai-server.ts";
import { temporaryDirectory } from "./support/run-environment.ts";

const environment = fileURLToPath(new URL("support/environments/echo-env.ts", import.meta.url));
const canMount = spawnSync("unshare", ["-rm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]).status === 0;

test.skipIf(!canMount)("a full disk (needs unshare and user namespaces)", async () => {
  const base = temporaryDirectory();
  const disk = join(base, "disk");
  const kept = join(base, "kept");
  mkdirSync(disk);
  const server = await startOpenAIServer(({ body }) => {
    const { content } = (body.messages as { content: string }[])[0]!;
    return says(content.split(": say ")[1]);
  });
  try {
    // The disk exists for the child only; the shell copies what is on it before it goes.
    const script = `mount -t tmpfs -o size=200k tmpfs "$DISK" && head -c 150000 /dev/zero > "$DISK/ballast"
      "$@"; code=$?
      cp -r "$DISK/run" "$KEPT"; exit $code`;
    const flags = ["--env.group_size", "4", "--openai.base_url", server.baseUrl, "--openai.model_name", "m"];
    const command = (runDir: string) => [process.execPath, environment, "process", "--run-dir", runDir, ...flags];
    const first = await run("unshare", ["-rm", "sh", "-c", script, "sh", ...command(join(disk, "run"))], {
      DISK: disk,
      KEPT: kept,
    });
    expect(first.code).toBe(1);
    expect(first.output).toContain("The disk is full");
    expect(first.output).toContain("Continue: ");
    const before = rolloutIds(kept);
    expect(before.length).toBeLessThan(80);
    expect(readdirSync(kept).filter((name) => name.endsWith(".tmp"))).toEqual([]);
    // Every line that is there is whole.
    for (const name of ["journal.jsonl", "rollouts.jsonl", "groups.jsonl"]) linesOf(join(kept, name));

    server.requests.length = 0;
    const [node, ...args] = command(kept);
    const second = await run(node!, args, {});
    expect(second.code).toBe(0);
    expect(new Set(rolloutIds(kept)).size).toBe(80);
    expect(rolloutIds(kept)).toHaveLength(80);
    expect(linesOf(join(kept, "groups.jsonl"))).toHaveLength(20);
    expect(server.requests.length).toBe(80 - before.length);
  } finally {
    await server.stop();
  }
});

async function run(command: string, args: string[], env: Record<string, string>) {
  const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] });
  const output: string[] = [];
  child.stdout.on("data", (data: Buffer) => output.push(data.toString()));
  child.stderr.on("data", (data: Buffer) => output.push(data.toString()));
  const [code] = await once(child, "close");
  return { code: code as number, output: output.join("") };
}

function linesOf(path: string): Record<string, unknown>[] {
  if (!existsSync(path)) return [];
  return readFileSync(path, "utf8")
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line));
}

function rolloutIds(directory: string): unknown[] {
  return linesOf(join(directory, "journal.jsonl"))
    .filter((line) => line.type === "rollout")
    .map((line) => line.rollout_id);
}
