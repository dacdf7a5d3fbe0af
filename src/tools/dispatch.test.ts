import { describe, expect, it } from "vitest";
import { z } from "zod";
import { LachesisError, type ToolCall } from "../core/index.ts";
import type { Sandbox } from "../sandbox/index.ts";
import { createPlainSandbox } from "../sandbox/plain/index.ts";
import { builtinTools } from "./builtin.ts";
import type { Tool } from "./contract.ts";
import { defineTool } from "./define-tool.ts";
import { createToolHandler } from "./dispatch.ts";
import { ResultBudget } from "./result-budget.ts";
import { rolloutOn } from "./rollout.test.fixture.ts";

const signal = new AbortController().signal;
const place = { turn: 1, index: 0, signal };
const call = (name: string, args: unknown, id = "c1"): ToolCall => ({
  id,
  type: "function",
  function: { name, arguments: typeof args === "string" ? args : JSON.stringify(args) },
});

const noSandbox = (): Promise<Sandbox> => Promise.reject(new Error("no sandbox is needed here"));

const echo = defineTool({
  name: "echo",
  description: "Gives back what it gets.",
  toolset: "test",
  parameters: z.object({ text: z.string(), times: z.int().min(1).default(1), tags: z.array(z.string()).optional() }),
  execute: (args) => args,
});
const failing = defineTool({
  name: "failing",
  description: "Fails.",
  toolset: "test",
  parameters: z.object({ kind: z.string() }),
  execute: ({ kind }): object => {
    if (kind === "throw") throw new TypeError("broken");
    if (kind === "died") throw new LachesisError("sandbox_died", "gone");
    if (kind === "exit") return { output: "", exit_code: -1, error: "not started" };
    if (kind === "code") return { output: "", exit_code: 1, error: "odd but run" };
    return { error: "said so" };
  },
});

describe("the tool handler", () => {
  const handlerOf = (tools: readonly Tool[], create = noSandbox) => {
    const rollout = rolloutOn(create);
    return { rollout, handler: createToolHandler({ tools, context: rollout, budget: new ResultBudget() }) };
  };

  it("offers schemas sorted by name", () => {
    const { handler } = handlerOf([failing, echo]);
    expect(handler.schemas.map((schema) => schema.function.name)).toEqual(["echo", "failing"]);
    expect(handler.schemas[0]!.function.parameters).toEqual({
      type: "object",
      properties: {
        text: { type: "string" },
        times: { type: "integer", minimum: 1, default: 1 },
        tags: { type: "array", items: { type: "string" } },
      },
      required: ["text"],
    });
  });

  it("answers every kind of bad call with an error the model can act on", async () => {
    const { handler } = handlerOf([echo, failing]);
    const error = async (name: string, args: unknown) => {
      const outcome = await handler.execute(call(name, args), place);
      expect(outcome.isError).toBe(true);
      return (JSON.parse(outcome.content) as { error: string }).error;
    };
    expect(await error("nope", {})).toBe("Unknown tool 'nope'. Available tools: [echo, failing]");
    for (const name of ["__proto__", "constructor", "toString", ""]) {
      expect(await error(name, {})).toBe(`Unknown tool '${name}'. Available tools: [echo, failing]`);
    }
    expect(await error("memory", {})).toBe("Memory is not available in RL environments.");
    expect(await error("echo", "{")).toMatch(/^Invalid JSON in tool arguments: .*Please retry with valid JSON\.$/);
    expect(await error("echo", "null")).toMatch(/got null/);
    expect(await error("echo", "[1]")).toMatch(/got an array/);
    expect(await error("echo", "3")).toMatch(/got a number/);
    expect(await error("echo", '"text"')).toMatch(/got a string/);
    expect(await error("echo", "")).toMatch(/'text' is required/);
    expect(await error("echo", { txet: "x" })).toMatch(/'text' is required \(there is no argument 'txet'\)/);
    expect(await error("echo", { text: "x", times: "many" })).toMatch(/'times' must be integer, got "many"/);
    expect(await error("echo", { text: "x", times: 0 })).toMatch(/'times' must be >= 1, got 0/);
    expect(await error("failing", { kind: "throw" })).toBe("Tool execution failed: TypeError: broken");
    const odd = { ...call("echo", ""), function: { name: "echo", arguments: null as unknown as string } };
    expect((await handler.execute(odd, place)).error).toMatch(/JSON text, got null/);
  });

  it("coerces, fills in defaults and passes the result on", async () => {
    const { handler } = handlerOf([echo]);
    const outcome = await handler.execute(call("echo", { text: 5, times: "2", tags: "one", extra: 1 }), place);
    expect(JSON.parse(outcome.content)).toEqual({ text: "5", times: 2, tags: ["one"] });
    expect(outcome).toMatchObject({ isError: false, timing: { name: "echo", result_chars: outcome.content.length } });
  });

  it("counts errors that tools report, and not exit codes", async () => {
    const { handler } = handlerOf([failing]);
    expect((await handler.execute(call("failing", { kind: "say" }), place)).error).toBe("said so");
    expect((await handler.execute(call("failing", { kind: "exit" }), place)).error).toBe("not started");
    expect((await handler.execute(call("failing", { kind: "code" }), place)).isError).toBe(false);
  });

  it("reports the end of the sandbox apart", async () => {
    const { handler } = handlerOf([failing]);
    expect((await handler.execute(call("failing", { kind: "died" }), place)).fatal?.code).toBe("sandbox_died");
    const unmade = handlerOf(builtinTools(), () => Promise.reject(new Error("no space for it")));
    const outcome = await unmade.handler.execute(call("terminal", { command: "true" }), place);
    expect(outcome.fatal).toMatchObject({ code: "sandbox_create", fault: "sandbox" });
    const closed = handlerOf(builtinTools(), () => createPlainSandbox());
    await (await closed.rollout.sandbox()).destroy();
    for (const [name, args] of [
      ["terminal", { command: "true" }],
      ["read_file", { path: "x" }],
      ["search_files", { pattern: "x" }],
    ] as const) {
      expect((await closed.handler.execute(call(name, args), place)).fatal?.code).toBe("sandbox_closed");
    }
  });

  it("makes the sandbox once, when it is needed, and never otherwise", async () => {
    let made = 0;
    const { handler, rollout } = handlerOf(builtinTools(), () => {
      made++;
      return createPlainSandbox();
    });
    await handler.execute(call("todo", { todos: [{ id: "a", content: "b", status: "pending" }] }), place);
    await handler.execute(call("process", { action: "list" }), place);
    expect(rollout.hasSandbox()).toBe(false);
    await Promise.all(["a", "b", "c"].map((path) => handler.execute(call("read_file", { path }), place)));
    expect(made).toBe(1);
  });

  it("runs calls of a turn side by side, but in order where that matters", async () => {
    const log: string[] = [];
    const tool = (name: string, exclusive: boolean) =>
      defineTool({
        name,
        description: name,
        toolset: "test",
        exclusive,
        parameters: z.object({}),
        execute: async () => {
          log.push(`+${name}`);
          await new Promise((resolve) => setTimeout(resolve, name === "r1" ? 30 : 5));
          log.push(`-${name}`);
          return "ok";
        },
      });
    const { handler } = handlerOf([tool("r1", false), tool("r2", false), tool("w", true), tool("r3", false)]);
    await Promise.all(
      ["r1", "r2", "w", "r3"].map((name, index) => handler.execute(call(name, {}), { ...place, index })),
    );
    expect(log).toEqual(["+r1", "+r2", "-r2", "-r1", "+w", "-w", "+r3", "-r3"]);
  });

  it("keeps a shared pool's limit", async () => {
    let running = 0;
    let most = 0;
    const slow = defineTool({
      name: "slow",
      description: "slow",
      toolset: "test",
      parameters: z.object({}),
      execute: async () => {
        most = Math.max(most, ++running);
        await new Promise((resolve) => setTimeout(resolve, 5));
        running--;
        return "ok";
      },
    });
    const handler = createToolHandler({ tools: [slow], context: rolloutOn(noSandbox), poolSize: 3 });
    await Promise.all(Array.from({ length: 20 }, () => handler.execute(call("slow", {}), place)));
    expect(most).toBe(3);
  });

  it("ends when it is cancelled, waiting or not", async () => {
    const { handler } = handlerOf(builtinTools(), () => createPlainSandbox());
    const cancel = new AbortController();
    const calls = [1, 2].map((index) =>
      handler.execute(call("terminal", { command: "sleep 60" }), { turn: 1, index, signal: cancel.signal }),
    );
    setTimeout(() => cancel.abort(new LachesisError("cancelled", "stop")), 200);
    const [first, second] = await Promise.all(calls);
    expect(first!.content).toContain('"exit_code":130');
    expect(second!.error).toMatch(/cancelled/);
  });

  it("disposes of state before the sandbox, even of a sandbox that is still being made", async () => {
    const log: string[] = [];
    const rollout = rolloutOn(async () => {
      await new Promise((resolve) => setTimeout(resolve, 20));
      const sandbox = await createPlainSandbox();
      void sandbox.closed.then(() => log.push("sandbox"));
      return sandbox;
    });
    rollout.state(
      "x",
      () => 1,
      () => void log.push("state"),
    );
    const pending = rollout.sandbox();
    await rollout.close();
    await (await pending).closed;
    expect(log).toEqual(["state", "sandbox"]);
    await expect(rollout.sandbox()).rejects.toMatchObject({ code: "sandbox_closed" });
  });
});

describe("result sizes", () => {
  const big = defineTool({
    name: "big",
    description: "big",
    toolset: "test",
    parameters: z.object({ lines: z.int(), text: z.boolean().default(false) }),
    execute: ({ lines, text }) => {
      const output = Array.from({ length: lines }, (_, index) => `line ${index + 1}`).join("\n");
      return text ? output : { output, exit_code: 0, error: null };
    },
  });

  const setup = (options: ConstructorParameters<typeof ResultBudget>[0]) => {
    const rollout = rolloutOn(() => createPlainSandbox());
    const handler = createToolHandler({
      tools: [big, ...builtinTools()],
      context: rollout,
      budget: new ResultBudget(options),
    });
    return { rollout, handler };
  };

  it("keeps what is too long in the sandbox, where read_file can page all of it", async () => {
    const { handler } = setup({ default_result_size_chars: 5000, preview_size_chars: 500 });
    const { content, timing } = await handler.execute(call("big", { lines: 3000 }, "../../etc/x y"), place);
    expect(content.startsWith("<persisted-output>\n")).toBe(true);
    expect(content.endsWith("</persisted-output>")).toBe(true);
    expect(timing.sent_chars).toBe(content.length);
    expect(timing.result_chars).toBeGreaterThan(5000);
    const path = /^(\/\S+\.txt)$/m.exec(content)![1]!;
    expect(path).toMatch(/\/lachesis-results\/_etc_x_y\.txt$/);
    const page = JSON.parse(
      (await handler.execute(call("read_file", { path, offset: 3000, limit: 3 }), place)).content,
    );
    expect(page.content).toContain("|line 2999\n");
    expect(page.content).toContain("|exit_code: 0");
    const again = await handler.execute(call("big", { lines: 3000, text: true }, "../../etc/x y"), place);
    expect(again.content).toContain("_etc_x_y-2.txt");
  });

  it("obeys overrides, and never cuts read_file", async () => {
    const { handler, rollout } = setup({ default_result_size_chars: 100, tool_result_overrides: { big: -1 } });
    expect((await handler.execute(call("big", { lines: 100 }), place)).content).toContain("line 100");
    await (await rollout.sandbox()).writeFile("f", "x\n".repeat(400));
    expect((await handler.execute(call("read_file", { path: "f" }), place)).content).toContain("   400|x");
  });

  it("brings a turn under its budget, largest first", async () => {
    const { handler } = setup({ turn_budget_chars: 20_000, preview_size_chars: 200 });
    const sizes = [500, 2500, 1000];
    const outcomes = await Promise.all(
      sizes.map((lines, index) => handler.execute(call("big", { lines }, `c${index}`), { ...place, index })),
    );
    const fitted = await handler.fitTurn(outcomes);
    expect(fitted.map(({ content }) => content.startsWith("<persisted-output>"))).toEqual([false, true, false]);
    expect(fitted[1]!.timing.sent_chars).toBe(fitted[1]!.content.length);
    expect(fitted.reduce((sum, { content }) => sum + content.length, 0)).toBeLessThanOrEqual(20_000);
  });

  it("says so when it cannot store the rest", async () => {
    const rollout = rolloutOn(async () => {
      const sandbox = await createPlainSandbox();
      sandbox.writeFile = () => Promise.reject(new LachesisError("sandbox_disk_full", "The disk is full."));
      return sandbox;
    });
    const handler = createToolHandler({
      tools: [big],
      context: rollout,
      budget: new ResultBudget({ default_result_size_chars: 100 }),
    });
    const { content, fatal } = await handler.execute(call("big", { lines: 1000 }), place);
    expect(content).toMatch(/^output:\nline 1\n[\s\S]*could not be stored: The disk is full\.\]$/);
    expect(fatal).toBeUndefined();
  });
});
