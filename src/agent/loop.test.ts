import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type ChatMessage, LachesisError, type ToolSchema, type Usage } from "../core/index.ts";
import type { ChatCompletion, ChatRequest, ChatServer, FinishReason } from "../inference/index.ts";
import { AgentLoop, type AgentLoopOptions } from "./loop.ts";
import type { ToolHandler } from "./tool-handler.ts";

const usage = (prompt: number, completion: number, cost: number | null = null): Usage => ({
  prompt_tokens: prompt,
  completion_tokens: completion,
  total_tokens: prompt + completion,
  cached_tokens: 0,
  cost_usd: cost,
});

interface Scripted {
  content?: string | null;
  tool_calls?: unknown;
  reasoning_content?: string;
  finish_reason?: FinishReason;
  usage?: Usage;
}

/** A chat server that answers from a script; the last line repeats. Each request is kept as it was at the time. */
function scripted(...lines: (Scripted | Error)[]) {
  const requests: ChatRequest[] = [];
  const server: ChatServer = {
    async chatCompletion(request) {
      requests.push({ ...request, messages: structuredClone([...request.messages]) });
      const line = lines[Math.min(requests.length, lines.length) - 1]!;
      if (line instanceof Error) throw line;
      const message = { role: "assistant", content: line.content ?? null, ...line } as ChatMessage & Scripted;
      const completion: ChatCompletion = {
        id: "1",
        model: "scripted",
        choices: [
          { index: 0, message, finish_reason: line.finish_reason ?? (line.tool_calls ? "tool_calls" : "stop") },
        ],
        usage: line.usage ?? usage(10, 5),
        latencyMs: 1,
        attempts: 1,
        server: 0,
      };
      return completion;
    },
  };
  return { server, requests };
}

const tool = (name: string): ToolSchema => ({
  type: "function",
  function: { name, description: name, parameters: { type: "object", properties: {} } },
});
const call = (name: string, args: unknown = "{}", id: unknown = "c1") => ({
  id,
  type: "function",
  function: { name, arguments: args },
});
const echo: ToolHandler = {
  execute: async (made) => ({ content: `ran ${made.function.name} ${made.function.arguments}` }),
};
const user: ChatMessage[] = [{ role: "user", content: "go" }];
const run = (server: ChatServer, options: Partial<AgentLoopOptions> = {}) =>
  new AgentLoop({ server, tools: [tool("a"), tool("b")], handler: echo, ...options }).run(user);

/** What a strict API demands of a history: string arguments, unique ids, each call answered once and in order. */
function expectStrict(messages: readonly ChatMessage[]): void {
  const ids = new Set<string>();
  let open: string[] = [];
  for (const message of messages) {
    if (message.role === "tool") {
      expect(message.tool_call_id).toBe(open.shift());
      expect(typeof message.content).toBe("string");
      continue;
    }
    expect(open).toEqual([]);
    open = (message.tool_calls ?? []).map((made) => {
      expect(typeof made.function.arguments).toBe("string");
      expect(made.id).not.toBe("");
      expect(ids.has(made.id)).toBe(false);
      ids.add(made.id);
      return made.id;
    });
  }
  expect(open).toEqual([]);
}

describe("AgentLoop", () => {
  it("runs calls, sends the results back and ends naturally", async () => {
    const { server, requests } = scripted(
      { tool_calls: [call("a", '{"x":1}')], reasoning_content: "think" },
      { content: "done" },
    );
    const result = await run(server);
    expect(result).toMatchObject({
      turns_used: 2,
      finished_naturally: true,
      stop_reason: "completed",
      reasoning_per_turn: ["think", null],
      tool_errors: [],
      error: null,
      usage: { total_tokens: 30 },
    });
    expect(result.messages.map((message) => message.role)).toEqual(["user", "assistant", "tool", "assistant"]);
    expect(requests[1]!.messages[2]).toMatchObject({ role: "tool", tool_call_id: "c1", content: 'ran a {"x":1}' });
    expect(result.timings.turns.map((turn) => turn.tools.map((timing) => timing.name))).toEqual([["a"], []]);
    expect(user).toHaveLength(1);
  });

  it("mends ids and arguments that a strict API would refuse, whatever the model sends", async () => {
    const { server, requests } = scripted(
      { tool_calls: [call("a", null, undefined), call("b", { x: 1 }, "c1"), call("a", "{}", "c1"), call("", [], 7)] },
      { tool_calls: [call("a", "{}", "c1")] },
      { content: "done" },
    );
    const result = await run(server);
    expect(result.stop_reason).toBe("completed");
    for (const request of requests) expectStrict(request.messages);
    expect(result.messages[1]!.tool_calls!.map((made) => made.function.arguments)).toEqual([
      "null",
      '{"x":1}',
      "{}",
      "[]",
    ]);
  });

  it("never lets arbitrary tool_calls break the history", async () => {
    const anyCall = fc.oneof(fc.anything(), fc.record({ id: fc.anything(), function: fc.anything() }));
    await fc.assert(
      fc.asyncProperty(fc.array(anyCall, { minLength: 1, maxLength: 4 }), async (calls) => {
        const { server } = scripted({ tool_calls: calls, finish_reason: "tool_calls" }, { content: "done" });
        expectStrict((await run(server)).messages);
      }),
      { numRuns: 200 },
    );
  });

  it("does not call a truncated answer finished, and does not run its calls", async () => {
    const text = await run(scripted({ content: "half an ans", finish_reason: "length" }).server);
    expect(text).toMatchObject({ stop_reason: "max_tokens", finished_naturally: false });
    const cut = await run(scripted({ tool_calls: [call("a", '{"x": "hal')], finish_reason: "length" }).server);
    expect(cut.stop_reason).toBe("max_tokens");
    expect(cut.messages.at(-1)!.content).toContain("Not run");
    expectStrict(cut.messages);
  });

  it("tells turn limit, content filter, overflow, model error and repetition apart", async () => {
    let count = 0;
    const counting: ToolHandler = { execute: async () => ({ content: String(count++) }) };
    const loops = scripted({ tool_calls: [call("a")] });
    expect(await run(loops.server, { maxTurns: 3, handler: counting })).toMatchObject({
      stop_reason: "max_turns",
      turns_used: 3,
    });
    expect(await run(scripted({ tool_calls: [call("a")] }).server)).toMatchObject({
      stop_reason: "tool_loop",
      turns_used: 5,
    });
    const filtered = await run(scripted({ content: "x", finish_reason: "content_filter" }).server);
    expect(filtered).toMatchObject({ stop_reason: "model_error", error: { code: "content_filter" } });
    const long = await run(scripted(new LachesisError("context_overflow", "too long")).server);
    expect(long).toMatchObject({ stop_reason: "context_overflow", turns_used: 1 });
    const broken = await run(scripted(new Error("boom")).server);
    expect(broken).toMatchObject({ stop_reason: "model_error", error: { code: "internal" }, turns_used: 1 });
  });

  it("keeps token and sequence budgets with a server that says no usage", async () => {
    for (const budgets of [{ tokens: 300 }, { trajectoryTokens: 140 }]) {
      let step = 0;
      const server: ChatServer = {
        chatCompletion: async (request) => {
          const { server: one } = scripted({ tool_calls: [call("a", `{"step":${step++}}`)], usage: usage(0, 0) });
          return one.chatCompletion(request);
        },
      };
      expect((await run(server, { budgets })).stop_reason).toBe("token_budget");
    }
  });

  it("keeps token, cost and sequence budgets", async () => {
    const spending = scripted({ tool_calls: [call("a")], usage: usage(100, 20, 0.4) });
    const options = { repeatLimit: 0 };
    expect((await run(spending.server, { ...options, budgets: { tokens: 300 } })).stop_reason).toBe("token_budget");
    expect(await run(spending.server, { ...options, budgets: { costUsd: 1 } })).toMatchObject({
      stop_reason: "cost_budget",
      turns_used: 3,
    });
    const { server, requests } = scripted(
      { tool_calls: [call("a")], usage: usage(100, 20) },
      { content: "x", finish_reason: "length" },
    );
    expect((await run(server, { maxTokens: 50, budgets: { trajectoryTokens: 140 } })).stop_reason).toBe("token_budget");
    expect(requests[1]!.max_tokens).toBeLessThan(20);
    expect(requests[0]!.max_tokens).toBe(50);
  });

  it("stops for time while a model call or a tool hangs, and answers the open calls", async () => {
    const hanging: ChatServer = {
      chatCompletion: ({ signal }) =>
        new Promise((_, reject) => signal!.addEventListener("abort", () => reject(signal!.reason))),
    };
    expect((await run(hanging, { budgets: { timeMs: 20 } })).stop_reason).toBe("time_budget");
    const stuck: ToolHandler = {
      execute: (_, { signal }) =>
        new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
    };
    const result = await run(scripted({ tool_calls: [call("a"), call("b", "{}", "c2")] }).server, {
      handler: stuck,
      budgets: { timeMs: 20 },
    });
    expect(result.stop_reason).toBe("time_budget");
    expectStrict(result.messages);
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 20);
    expect((await run(hanging, { signal: controller.signal })).stop_reason).toBe("cancelled");
  });

  it("starts the calls of a turn together and keeps the order of results", async () => {
    let running = 0;
    let most = 0;
    const handler: ToolHandler = {
      async execute(made, { index }) {
        most = Math.max(most, ++running);
        await new Promise((resolve) => setTimeout(resolve, 20 - index * 5));
        running--;
        return { content: `${made.function.name}${index}` };
      },
    };
    const calls = [call("a", "{}", "1"), call("a", "{}", "2"), call("a", "{}", "3")];
    const result = await run(scripted({ tool_calls: calls }, { content: "done" }).server, { handler });
    expect(most).toBe(3);
    expect(result.messages.slice(2, 5).map((message) => message.content)).toEqual(["a0", "a1", "a2"]);
  });

  it("turns a throwing tool into a result, and a dead sandbox into the end of the rollout", async () => {
    const throwing: ToolHandler = {
      execute: async () => {
        throw new TypeError("bad");
      },
    };
    const result = await run(scripted({ tool_calls: [call("a")] }, { content: "done" }).server, { handler: throwing });
    expect(result.tool_errors).toMatchObject([
      { turn: 1, call_index: 0, tool_name: "a", error: "Tool execution failed: TypeError: bad" },
    ]);
    expect(result.stop_reason).toBe("completed");
    const dead: ToolHandler = {
      execute: async () => ({ content: "{}", fatal: new LachesisError("sandbox_died", "gone") }),
    };
    const ended = await run(scripted({ tool_calls: [call("a"), call("b", "{}", "2")] }).server, { handler: dead });
    expect(ended).toMatchObject({ stop_reason: "cancelled", error: { code: "sandbox_died" } });
    expectStrict(ended.messages);
  });

  it("finds calls in the text of an answer that has no structured ones", async () => {
    const text = 'I will.\n<tool_call>\n{"name": "a", "arguments": {"x": 1}}\n</tool_call>';
    const result = await run(scripted({ content: text }, { content: "done" }).server);
    expect(result.messages[1]).toMatchObject({ content: "I will.\n", tool_calls: [{ function: { name: "a" } }] });
    expect(result.messages[2]!.content).toContain("ran a");
  });

  it("derives a seed for each turn and sends none where there is none", async () => {
    const { server, requests } = scripted({ tool_calls: [call("a")] }, { content: "done" });
    await run(server, { seed: 7 });
    expect(requests[0]!.seed).not.toBe(requests[1]!.seed);
    const plain = scripted({ content: "done" });
    await run(plain.server);
    expect("seed" in plain.requests[0]!).toBe(false);
  });
});
