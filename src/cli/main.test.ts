import { type SpawnSyncReturns, spawn, spawnSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, it } from "vitest";

const here = (file: string) => fileURLToPath(new URL(file, import.meta.url));
const root = here("../../");
const SOURCES = ["--import", here("./sources.fixture.ts")];
const MAIN = here("./main.fixture.ts");

let cwd: string;
beforeAll(() => {
  cwd = mkdtempSync(join(tmpdir(), "lachesis-cli-"));
  writeFileSync(join(cwd, "package.json"), '{"type":"module"}');
  writeFileSync(join(cwd, "echo.ts"), ENVIRONMENT);
});

/** An environment without agent and tools: its items are numbers. */
const ENVIRONMENT = `
import { BaseEnv, z } from "lachesis";
const Config = BaseEnv.Config.extend({ hint: z.boolean().default(false), pause_ms: z.int().default(0) });
export default class Echo extends BaseEnv<typeof Config> {
  static override name = "echo";
  static override Config = Config;
  static override configInit() { return { env: { total_steps: 2, group_size: 2 }, openai: { server_type: "embedded" } }; }
  #next = 0;
  async getNextItem() { return { id: String(this.#next++) }; }
  override async collectTrajectory(item: { id: string }, rollout: { signal: AbortSignal }) {
    if (this.config.pause_ms > 0) await new Promise((resolve, reject) => {
      const timer = setTimeout(resolve, this.config.pause_ms);
      rollout.signal.addEventListener("abort", () => { clearTimeout(timer); reject(rollout.signal.reason); }, { once: true });
    });
    return { messages: [{ role: "user" as const, content: item.id }], reward: Number(item.id) };
  }
}
Echo.cli(import.meta);
`;

function node(args: string[], env: Record<string, string> = {}): SpawnSyncReturns<string> {
  return spawnSync(process.execPath, args, {
    cwd,
    encoding: "utf8",
    timeout: 120_000,
    env: { PATH: process.env.PATH, HOME: cwd, ...env },
  });
}
const lachesis = (...args: string[]) => node([...SOURCES, MAIN, ...args]);

describe("lachesis", () => {
  it("shows its help without loading anything else", () => {
    const { status, stdout, stderr } = node(["--import", here("./count-modules.fixture.ts"), MAIN, "--help"]);
    expect(status).toBe(0);
    expect(stdout).toContain("  process ");
    const loaded = (JSON.parse(stderr.trim().split("\n").at(-1)!) as string[]).map((url) =>
      url.slice(url.lastIndexOf("/") + 1),
    );
    expect(loaded.sort()).toEqual(["command-table.ts", "main.fixture.ts", "main.ts"]);
  });

  it("answers unknown commands, modes, kinds and environments with the nearest name and exit code 2", () => {
    for (const [args, near] of [
      [["proces"], "Did you mean process?"],
      [["list", "toolset"], "Did you mean toolsets?"],
      [["process", "terminal-tst"], "Did you mean terminal-test?"],
      [["process", "./ecko.ts"], "Did you mean echo.ts?"],
      [["config", "echo.ts", "--mode", "evalute"], "Did you mean evaluate?"],
      [["process"], "name an environment"],
      [["process", "echo.ts", "more"], '"more" is one argument too many'],
      [["init"], "missing required argument"],
    ] as const) {
      const { status, stderr, stdout } = lachesis(...args);
      expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
      expect(stderr).toContain(near);
      expect(stderr).not.toMatch(/^\s+at /m);
    }
    expect(lachesis().status).toBe(2);
    expect(lachesis("--version").stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  it("lists the names of one kind, or of all", () => {
    expect(lachesis("list", "backends").stdout).toMatch(/^local {2,}/);
    const { status, stdout } = lachesis("list");
    expect(status).toBe(0);
    expect(stdout).toMatch(/^environments\n {2}\S/);
    for (const kind of ["toolsets", "distributions", "tools", "backends", "parsers"]) {
      expect(stdout).toContain(`\n\n${kind}\n  `);
    }
    expect(Object.keys(JSON.parse(lachesis("list", "--json").stdout))).toContain("tools");
  });

  it("says everything that is wrong at once, and starts nothing", () => {
    writeFileSync(join(cwd, "bad.yaml"), "env:\n  gruop_size: 4\n  eval_handling: stop_train\n");
    const before = readdirSync(cwd).sort();
    const { status, stderr } = lachesis(
      "process",
      "echo.ts",
      "--config",
      "bad.yaml",
      "--env.hnit",
      "--env.total_steps",
      "x",
    );
    expect(status).toBe(2);
    expect(stderr.split("\n")).toEqual([
      "lachesis: 4 problems in the configuration:",
      "  --env.hnit: is no known flag. Did you mean --env.hint?",
      "  bad.yaml:2:3: env.gruop_size is no known field. Did you mean env.group_size?",
      '  --env.total_steps: env.total_steps: allowed: an integer of at least -1; found text "x".',
      '  bad.yaml:3:18: env.eval_handling: allowed: STOP_TRAIN, LIMIT_TRAIN, NONE; found text "stop_train". Did you mean STOP_TRAIN?',
      "Nothing was started.",
      "",
    ]);
    expect(readdirSync(cwd).sort()).toEqual(before);
  });

  it("refuses contradictions", () => {
    const { status, stderr } = lachesis(
      ...["config", "terminal-test", "--env.group_size", "8", "--env.batch_size", "4"],
      ...["--env.distribution", "default", "--env.enabled_toolsets", "web", "--env.tool_call_parser", "hermse"],
    );
    expect(status).toBe(2);
    expect(stderr).toContain("env.group_size is 8 and env.batch_size is 4");
    expect(stderr).toContain("exclude each other");
    expect(stderr).toContain("Did you mean hermes?");
  });

  it("does the same as the environment's own file", () => {
    const flags = ["--env.hint", "--env.group_size=3", "--run-dir"];
    const ours = lachesis("process", "echo.ts", ...flags, join(cwd, "run-a"));
    const own = node([...SOURCES, join(cwd, "echo.ts"), "process", ...flags, join(cwd, "run-b")]);
    expect(ours.stderr).not.toContain("lachesis:");
    expect([ours.status, own.status]).toEqual([0, 0]);
    const scores = (run: string) =>
      readFileSync(join(cwd, run, "groups.jsonl"), "utf8")
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line).scores);
    expect(scores("run-a")).toEqual([
      [0, 0, 0],
      [1, 1, 1],
    ]);
    expect(scores("run-b")).toEqual(scores("run-a"));
    const shown = [
      lachesis("config", "./echo.ts", "--env.hint"),
      node([...SOURCES, join(cwd, "echo.ts"), "config", "--env.hint"]),
    ];
    expect(shown[0]!.stdout).toContain("env.hint = true  (--env.hint)\n");
    expect(shown[0]!.stdout).toContain("env.group_size = 2  (configInit)\n");
    expect(shown[1]!.stdout).toBe(shown[0]!.stdout);
    expect(node([...SOURCES, join(cwd, "echo.ts"), "proces"]).stderr).toContain(
      'echo: proces: "proces" is no mode. Did you mean process?',
    );
    expect(lachesis("process", "echo.ts", "--help").stdout).toMatch(
      /Fields of echo\n {2}--env\.hint <true or false> {2}\[false\]/,
    );
  });

  it("reads .env, and never shows a secret", () => {
    const key = "sk-or-0123456789";
    writeFileSync(join(cwd, ".env"), `MY_KEY=${key}\n`);
    writeFileSync(join(cwd, "key.yaml"), "openai:\n  base_url: http://127.0.0.1:9/v1\n  api_key: $MY_KEY\n");
    const { stdout, stderr, status } = lachesis("config", "echo.ts", "--config", "key.yaml");
    expect(status).toBe(0);
    expect(stdout).toContain('openai.api_key = "(hidden)"  (environment MY_KEY)');
    expect(stdout + stderr).not.toContain(key);
    const wrong = lachesis("config", "echo.ts", "--openai.api_keys", "sk-other-secret", "--openai.timeout", "soon");
    expect(wrong.status).toBe(2);
    expect(wrong.stderr).not.toContain("sk-other-secret");
  });

  it("ends with 130 when it is interrupted, keeping what is finished", async () => {
    const runDir = join(cwd, "run-c");
    const child = spawn(
      process.execPath,
      [...SOURCES, MAIN, "process", "echo.ts", "--env.pause_ms", "60000", "--run-dir", runDir],
      { cwd },
    );
    let output = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (data: Buffer) => (output += data.toString()));
    for (let tries = 0; tries < 300 && !existsSync(join(runDir, "run.json")); tries++)
      await new Promise((resolve) => setTimeout(resolve, 50));
    await new Promise((resolve) => setTimeout(resolve, 500));
    child.kill("SIGINT");
    const code = await new Promise((resolve) => child.once("exit", resolve));
    expect({ code, output }).toMatchObject({ code: 130 });
    expect(output).toContain("Stopping");
  });

  it("goes on when the reader of its output goes away", () => {
    const command = `"${process.execPath}" ${SOURCES.join(" ")} "${MAIN}" config echo.ts | head -1; echo "\${PIPESTATUS[0]}"`;
    const { stdout, stderr } = spawnSync("bash", ["-c", command], { cwd, encoding: "utf8" });
    expect(stdout.split("\n").slice(0, 2)).toEqual(["env.group_size = 2  (configInit)", "0"]);
    expect(stderr).toBe("");
  });

  it("says what is wrong with an environment's file", () => {
    writeFileSync(join(cwd, "none.ts"), "export default 5;\n");
    writeFileSync(join(cwd, "broken.ts"), 'throw new Error("on purpose");\n');
    expect(lachesis("process", "none.ts").stderr).toContain(
      "exports no environment; it needs `export default class … extends AgentEnv`",
    );
    const { stderr, status } = lachesis("process", "broken.ts");
    expect(status).toBe(2);
    expect(stderr).toMatch(/broken\.ts cannot be loaded: on purpose \(.*broken\.ts:1:7\)/);
  });

  it("makes an environment that runs", () => {
    expect(lachesis("init", "Bad_Name").status).toBe(2);
    const made = lachesis("init", "say-hello");
    expect(made.status).toBe(0);
    expect(lachesis("init", "say-hello").stderr).toContain("nothing is overwritten");
    const { status, stderr } = lachesis(
      "process",
      "say-hello",
      "--config",
      "say-hello/default.yaml",
      "--env.total_steps=1",
      "--run-dir",
      "hello",
    );
    expect({ status, stderr }).toMatchObject({ status: 0 });
    const [group] = readFileSync(join(cwd, "hello", "groups.jsonl"), "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(group.rollouts.map(({ outcome }: { outcome: { kind: string } }) => outcome.kind)).toEqual([
      "scored",
      "scored",
      "scored",
      "scored",
    ]);
  });

  it("refuses an old Node before anything is imported, and hands over where the checkout has its own", ({ skip }) => {
    const old = ["/usr/bin/node", "/usr/local/bin/node"].find((path) =>
      /^v(?:1\d|2[01])\./.test(spawnSync(path, ["--version"], { encoding: "utf8" }).stdout ?? ""),
    );
    if (old === undefined) skip("no Node before 22 is installed here");
    const alone = mkdtempSync(join(tmpdir(), "old-node-"));
    mkdirSync(join(alone, "bin"));
    writeFileSync(join(alone, "package.json"), '{"type": "module"}');
    copyFileSync(join(root, "bin/lachesis.js"), join(alone, "bin/lachesis.js"));
    const { status, stderr } = spawnSync(old!, [join(alone, "bin/lachesis.js"), "--help"], { encoding: "utf8" });
    rmSync(alone, { recursive: true });
    expect(status).toBe(2);
    expect(stderr).toContain("needs Node 22.18 or newer");
    const own = spawnSync(old!, [join(root, "bin/lachesis.js"), "--help"], { encoding: "utf8" });
    expect(own.stdout).toContain("lachesis COMMAND");
  });
});
