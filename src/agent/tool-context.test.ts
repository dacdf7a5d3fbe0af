import { mkdir, mkdtemp, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { createSandbox, probeSandbox, type Sandbox } from "../sandbox/index.ts";
import { createPlainSandbox } from "../sandbox/plain/index.ts";
import { builtinTools, createToolHandler, defineTool, RolloutTools } from "../tools/index.ts";
import { ToolContext } from "./tool-context.ts";

const { works } = await probeSandbox();
const backends: { backend: string; create(): Promise<Sandbox> }[] = [
  { backend: "plain", create: () => createPlainSandbox() },
  ...(works ? [{ backend: "local", create: () => createSandbox({ require_sandbox: true }) }] : []),
];

const open: ToolContext[] = [];
afterEach(async () => {
  for (const ctx of open.splice(0)) await ctx.cleanup();
});

describe.each(backends)("ToolContext on $backend", ({ create }) => {
  function setup() {
    const rollout = new RolloutTools({ rolloutId: "r", createSandbox: create });
    const own = defineTool({
      name: "own",
      description: "own",
      toolset: "mine",
      parameters: z.object({ n: z.int() }),
      execute: ({ n }) => `got ${n}`,
    });
    const tools = [...builtinTools(), own];
    const ctx = new ToolContext({ rollout, tools });
    open.push(ctx);
    return { ctx, rollout, handler: createToolHandler({ tools, context: rollout }) };
  }

  it("runs commands in processes of their own, unguarded and uncut", async () => {
    const { ctx, handler } = setup();
    const call = (command: string) =>
      handler.execute(
        { id: "c", type: "function", function: { name: "terminal", arguments: JSON.stringify({ command }) } },
        { turn: 1, index: 0, signal: new AbortController().signal },
      );
    await call("mkdir sub; echo secret=1 > sub/f; cd sub; export LEAK=1; alias ls=false");
    expect(await ctx.terminal('ls; echo "[$LEAK]"; echo err >&2; exit 3')).toEqual({
      exit_code: 3,
      output: "sub\n[]\nerr\n",
    });
    const { output } = await ctx.terminal("seq 1 200000");
    expect(output.length).toBeGreaterThan(1_200_000);
    expect((await ctx.terminal("sleep 30 & echo started & wait", { timeout: 1 })).exit_code).toBe(124);
    expect(await ctx.terminal("cat; pwd; echo $X", { stdin: "in\n", cwd: "sub", env: { X: "y" } })).toMatchObject({
      output: expect.stringMatching(/^in\n.*\/sub\ny\n$/),
    });
    for (let time = 0; time < 3; time++) expect((await ctx.readFile("sub/f")).content).toBe("secret=1\n");
  });

  it("moves bytes, not text", async () => {
    const { ctx } = setup();
    const bytes = Uint8Array.from({ length: 300_000 }, (_, index) => (index * 7) % 256);
    expect(await ctx.writeFile("a dir/odd ' name\n", bytes)).toEqual({ bytes_written: 300_000 });
    expect(Buffer.from(await ctx.readBytes("a dir/odd ' name\n")).equals(Buffer.from(bytes))).toBe(true);
    await ctx.writeFile("~/text", '{"a":1}');
    expect(await ctx.readFile("~/text")).toEqual({ content: '{"a":1}' });
    expect((await ctx.terminal("cat ~/text")).output).toBe('{"a":1}');
    await ctx.writeFile("empty", "");
    expect(await ctx.readFile("empty")).toEqual({ content: "" });
    await ctx.writeFile("bom", "\ufeffx");
    expect(await ctx.readFile("bom")).toEqual({ content: "\ufeffx" });
  });

  it("uploads and downloads files and directories", async () => {
    const { ctx } = setup();
    const host = await mkdtemp(join(tmpdir(), "lachesis-test-"));
    try {
      await mkdir(join(host, "in/empty"), { recursive: true });
      await writeFile(join(host, "in/run.sh"), "#!/bin/sh\necho ran\n", { mode: 0o755 });
      await writeFile(join(host, "in/bytes"), Buffer.from([0, 255, 10, 13]));
      await symlink("run.sh", join(host, "in/link"));
      expect(await ctx.uploadDir(join(host, "in"), "up")).toEqual({ bytes: 23 });
      expect((await ctx.terminal("./up/run.sh; test -d up/empty && ./up/link && echo fine")).output).toBe(
        "ran\nran\nfine\n",
      );
      expect(await ctx.uploadFile(join(host, "in/bytes"), "new/one file")).toEqual({ bytes: 4 });
      expect(await ctx.downloadFile("new/one file", join(host, "out/deep/f"))).toEqual({ bytes: 4 });
      expect(await readFile(join(host, "out/deep/f"))).toEqual(Buffer.from([0, 255, 10, 13]));
      expect(await ctx.downloadDir("up", join(host, "back"))).toEqual({ bytes: 23 });
      expect((await stat(join(host, "back/run.sh"))).mode & 0o111).not.toBe(0);
      await ctx.writeFile("none", "");
      expect(await ctx.downloadFile("none", join(host, "none"))).toEqual({ bytes: 0 });
      await expect(ctx.uploadFile(join(host, "missing"), "x")).rejects.toMatchObject({ code: "not_found" });
      await expect(ctx.uploadFile(join(host, "in"), "x")).rejects.toMatchObject({ code: "not_found" });
      await expect(ctx.downloadFile("missing", join(host, "x"))).rejects.toMatchObject({
        code: "sandbox_io",
        details: { errno: "ENOENT" },
      });
      await expect(ctx.downloadFile("up", join(host, "x"))).rejects.toMatchObject({ code: "sandbox_io" });
    } finally {
      await rm(host, { recursive: true });
    }
  });

  it("searches, and calls tools without a model's limits", async () => {
    const { ctx } = setup();
    await ctx.writeFile("d/f.txt", "needle\n".repeat(300));
    const found = await ctx.search("needle");
    expect(found.total_count).toBe(300);
    expect(found.matches).toHaveLength(300);
    expect(found.matches![0]).toEqual({ path: "d/f.txt", line: 1, content: "needle" });
    await expect(ctx.search("(")).rejects.toMatchObject({ code: "tool_failed" });
    expect(await ctx.callTool("own", { n: "5" })).toBe("got 5");
    expect(await ctx.callTool("read_file", { path: "d/f.txt", limit: 1 })).toMatchObject({ total_lines: 300 });
    await expect(ctx.callTool("own", {})).rejects.toMatchObject({ code: "tool_arguments" });
    await expect(ctx.callTool("raed_file")).rejects.toMatchObject({
      code: "not_found",
      message: expect.stringContaining("read_file"),
    });
    await expect(ctx.webSearch("x")).rejects.toMatchObject({ code: "unsupported" });
    await expect(ctx.webExtract(["http://x"])).rejects.toMatchObject({ code: "unsupported" });
    await expect(ctx.browserNavigate("http://x")).rejects.toMatchObject({ code: "unsupported" });
    await expect(ctx.browserSnapshot()).rejects.toMatchObject({ code: "unsupported" });
  });

  it("makes no sandbox before it is needed, and says what failed", async () => {
    const { ctx, rollout } = setup();
    await expect(ctx.callTool("own", { n: 1 })).resolves.toBe("got 1");
    expect(rollout.hasSandbox()).toBe(false);
    await expect(ctx.readFile("missing")).rejects.toMatchObject({ code: "sandbox_io", details: { errno: "ENOENT" } });
    await expect(ctx.readFile("")).rejects.toMatchObject({ code: "tool_arguments" });
    await ctx.cleanup();
    await ctx.cleanup();
    await expect(ctx.terminal("true")).rejects.toMatchObject({ code: "sandbox_closed" });
  });

  it("does many things at once, and stops when it is told to", async () => {
    const rollout = new RolloutTools({ rolloutId: "r", createSandbox: create });
    const cancel = new AbortController();
    const ctx = new ToolContext({ rollout, tools: builtinTools(), signal: cancel.signal });
    open.push(ctx);
    const outputs = await Promise.all(
      Array.from({ length: 10 }, (_, index) => ctx.terminal(`sleep 0.1; echo ${index}`)),
    );
    expect(outputs.map(({ output }) => Number(output))).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    setTimeout(() => cancel.abort(), 100);
    await expect(ctx.terminal("sleep 60")).rejects.toMatchObject({ code: "cancelled" });
    await expect(ctx.readFile("x")).rejects.toMatchObject({ code: "cancelled" });
  });
});
