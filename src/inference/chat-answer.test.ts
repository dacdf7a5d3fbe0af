/** Answers and requests at the edge: what models and providers send, and what is never sent back. */
import fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import {
  call,
  calls,
  type OpenAIServer,
  type Script,
  says,
  startOpenAIServer,
} from "../../tests/support/openai-server.ts";
import type { ChatMessage } from "../core/index.ts";
import { chatChoices } from "./chat-answer.ts";
import type { ServerConfigInput } from "./server-config.ts";
import { ServerManager, type ServerManagerOptions } from "./server-manager.ts";

const open: { server: OpenAIServer; manager: ServerManager }[] = [];

async function pair(script: Script, config: ServerConfigInput = {}, options: ServerManagerOptions = {}) {
  const server = await startOpenAIServer(script);
  const manager = new ServerManager({ base_url: server.baseUrl, model_name: "m", ...config }, { env: {}, ...options });
  open.push({ server, manager });
  return { server, manager };
}

afterEach(async () => {
  for (const { server, manager } of open.splice(0)) {
    await manager.close();
    await server.stop();
  }
});

const user: ChatMessage = { role: "user", content: "Hi" };

/** The message that an answer with this raw message gives. */
function normalised(message: unknown, history: ChatMessage[] = []): ChatMessage {
  return chatChoices({ choices: [{ message, finish_reason: null }] }, history, "test")[0]!.message;
}

describe("tool calls", () => {
  test("arguments are always text, and what the model sent is kept", () => {
    const sent = [null, { a: 1 }, [1], 5, '{"a": ', "", undefined];
    const message = normalised({ tool_calls: sent.map((args) => ({ function: { name: "f", arguments: args } })) });
    const texts = message.tool_calls?.map((toolCall) => toolCall.function.arguments);
    expect(texts).toEqual(["null", '{"a":1}', "[1]", "5", '{"a": ', "", "{}"]);
  });

  test("ids: missing, empty, no text, double, or already in the conversation", () => {
    const history: ChatMessage[] = [
      {
        role: "assistant",
        content: null,
        tool_calls: [{ id: "old", type: "function", function: { name: "f", arguments: "{}" } }],
      },
    ];
    const raw = [undefined, "", 7, "twice", "twice", "old", "good"].map((id) => ({
      id,
      function: { name: "f", arguments: "{}" },
    }));
    const ids = normalised({ tool_calls: raw }, history).tool_calls!.map((toolCall) => toolCall.id);
    expect(new Set([...ids, "old"]).size).toBe(8);
    expect(ids[3]).toBe("twice");
    expect(ids[6]).toBe("good");
    for (const [place, id] of ids.entries()) if (![3, 6].includes(place)) expect(id).toMatch(/^[a-zA-Z0-9]{9}$/);
  });

  test("the old function_call, a single object, and calls without a function object", () => {
    expect(normalised({ function_call: { name: "f", arguments: "{}" } }).tool_calls?.[0]?.function.name).toBe("f");
    expect(normalised({ tool_calls: { id: "a", function: { name: "f" } } }).tool_calls?.[0]?.id).toBe("a");
    expect(normalised({ tool_calls: [{ name: "f", arguments: {} }] }).tool_calls?.[0]?.function).toEqual({
      name: "f",
      arguments: "{}",
    });
    expect(normalised({ content: "x", tool_calls: [] }).tool_calls).toBeUndefined();
    expect(normalised({ content: "x", tool_calls: null }).tool_calls).toBeUndefined();
  });

  test("whatever the message holds, either it is malformed or the invariant holds", () => {
    const anyCall = fc.record(
      {
        id: fc.anything(),
        function: fc.oneof(fc.anything(), fc.record({ name: fc.anything(), arguments: fc.jsonValue() })),
      },
      { requiredKeys: [] },
    );
    const anyMessage = fc.record(
      {
        content: fc.jsonValue(),
        tool_calls: fc.oneof(fc.jsonValue(), fc.array(anyCall)),
        reasoning_details: fc.jsonValue(),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(anyMessage, (raw) => {
        let message: ChatMessage;
        try {
          message = normalised(JSON.parse(JSON.stringify(raw)));
        } catch (error) {
          expect(error).toMatchObject({ code: "malformed_response" });
          return;
        }
        expect(message.content === null || typeof message.content === "string").toBe(true);
        const ids = (message.tool_calls ?? []).map((toolCall) => toolCall.id);
        expect(new Set(ids).size).toBe(ids.length);
        for (const toolCall of message.tool_calls ?? []) {
          expect(toolCall.id).not.toBe("");
          expect(typeof toolCall.function.name).toBe("string");
          expect(typeof toolCall.function.arguments).toBe("string");
        }
      }),
    );
  });
});

describe("reasoning", () => {
  test.each([
    ["reasoning_content", { reasoning_content: "why" }],
    ["reasoning", { reasoning: "why" }],
    ["an empty field first", { reasoning_content: "", reasoning: "why" }],
    [
      "details",
      {
        reasoning_details: [
          { type: "reasoning.text", text: "wh" },
          { type: "reasoning.summary", summary: "y" },
          { type: "reasoning.encrypted", data: "zzz" },
        ],
      },
    ],
    [
      "thinking parts",
      {
        content: [
          { type: "thinking", thinking: [{ type: "text", text: "why" }] },
          { type: "text", text: "so" },
        ],
      },
    ],
  ])("as %s", (_name, fields) => {
    const message = normalised({ content: "so", ...fields });
    expect(message.reasoning_content).toBe("why");
    expect(message.content).toBe("so");
  });

  test("a refusal is what the model said; null stays null", () => {
    expect(normalised({ content: null, refusal: "I cannot." }).content).toBe("I cannot.");
    expect(normalised({ content: null }).content).toBeNull();
    expect(normalised({}).content).toBeNull();
  });

  test.each([
    [{ thinking_mode: true }, { reasoning: { enabled: true } }],
    [{ reasoning_effort: "high", max_reasoning_tokens: 2000 }, { reasoning: { enabled: true, effort: "high" } }],
    [{ max_reasoning_tokens: 2000 }, { reasoning: { enabled: true, max_tokens: 2000 } }],
    [{}, {}],
  ] as const)("asked for by %j", async (reasoning, fields) => {
    const { server, manager } = await pair(() => says("ok"), {}, { reasoning });
    await manager.chatCompletion({ messages: [user] });
    expect(server.requests[0]?.body).toEqual({ model: "m", messages: [user], ...fields });
  });

  test("a server that refuses it in the history is asked again without, and never again with", async () => {
    const history: ChatMessage[] = [{ role: "assistant", content: "a", reasoning_content: "r" }, user];
    const { server, manager } = await pair(({ body }) =>
      JSON.stringify(body).includes("reasoning_content")
        ? {
            kind: "json",
            status: 422,
            body: { detail: "messages.0.reasoning_content: Extra inputs are not permitted" },
          }
        : says("ok"),
    );
    await Promise.all([manager.chatCompletion({ messages: history }), manager.chatCompletion({ messages: history })]);
    await manager.chatCompletion({ messages: history });
    expect(server.requests).toHaveLength(5);
    expect(history[0]?.reasoning_content).toBe("r");
  });
});

describe("requests", () => {
  test("everything that was set is sent, extra_body last, and nothing of ours", async () => {
    const { server, manager } = await pair(() => says("ok"), { extra_body: { provider: { order: ["a"] }, top_k: 1 } });
    await manager.chatCompletion({
      messages: [user],
      temperature: 0,
      max_tokens: 7,
      top_k: 5,
      stop: ["x"],
      seed: 3,
      n: 1,
      tools: [],
      split: "eval",
      max_retries: 1,
      signal: new AbortController().signal,
      extra_body: { provider: { order: ["b"] } },
    });
    expect(server.requests[0]?.path).toBe("/v1/chat/completions");
    expect(server.requests[0]?.body).toEqual({
      model: "m",
      messages: [user],
      temperature: 0,
      max_tokens: 7,
      top_k: 1,
      stop: ["x"],
      seed: 3,
      provider: { order: ["b"] },
    });
  });

  test("what a strict API refuses is not sent", async () => {
    const bad = [
      {
        role: "assistant",
        content: null,
        tool_calls: [{ id: "a", type: "function", function: { name: "my tool\n", arguments: null } }],
      },
      { role: "tool", tool_call_id: "a", name: "my tool\n", content: "{}" },
      { role: "assistant", content: null, tool_calls: [] },
      { role: "assistant", content: null },
    ] as unknown as ChatMessage[];
    const { server, manager } = await pair(() => says("ok"));
    await manager.chatCompletion({ messages: bad });
    const sent = server.requests[0]?.body.messages;
    expect(sent).toEqual([
      { role: "assistant", content: null, tool_calls: [call("a", "my_tool_", "{}")] },
      { role: "tool", tool_call_id: "a", name: "my_tool_", content: "{}" },
      { role: "assistant", content: "" },
      { role: "assistant", content: "" },
    ]);
  });

  test("arguments go out as JSON objects, and the history keeps what the model wrote", async () => {
    const wrote = ['{"a": ', "null", "[1]", "5", '"{}"', "", '{"a": NaN}', '{"a": 1}', " {} "];
    const history: ChatMessage[] = wrote.flatMap((args, index): ChatMessage[] => [
      {
        role: "assistant",
        content: "",
        tool_calls: [{ id: `${index}`, type: "function", function: { name: "f", arguments: args } }],
      },
      { role: "tool", tool_call_id: `${index}`, name: "f", content: "x" },
    ]);
    const before = structuredClone(history);
    const { server, manager } = await pair(() => says("ok"));
    await manager.chatCompletion({ messages: history });
    await manager.chatCompletion({ messages: history });
    for (const { body } of server.requests) {
      const sent = (body.messages as ChatMessage[]).flatMap((message) => message.tool_calls ?? []);
      expect(sent.map((made) => made.function.arguments)).toEqual([...Array(7).fill("{}"), '{"a": 1}', " {} "]);
    }
    expect(history).toEqual(before);
  });

  test("max_tokens becomes max_completion_tokens where it is refused", async () => {
    const { server, manager } = await pair(({ body }) =>
      "max_tokens" in body
        ? {
            kind: "json",
            status: 400,
            body: { error: { message: "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead." } },
          }
        : says("ok"),
    );
    await manager.chatCompletion({ messages: [user], max_tokens: 9 });
    expect(server.requests[1]?.body.max_completion_tokens).toBe(9);
  });

  test("completions", async () => {
    const { server, manager } = await pair(() => says("tail"));
    const answer = await manager.completion({ prompt: "head", max_tokens: 3, n: 2 });
    expect(server.requests[0]?.path).toBe("/v1/completions");
    expect(server.requests[0]?.body).toEqual({ model: "m", prompt: "head", max_tokens: 3, n: 2 });
    expect(answer.choices.map((choice) => choice.text)).toEqual(["tail", "tail"]);
  });
});

describe("usage and cost", () => {
  const usage = { prompt_tokens: 1000, completion_tokens: 100, prompt_tokens_details: { cached_tokens: 400 } };

  test("by the price table; the provider's own cost wins", async () => {
    const priceTable = { m: { prompt: 2, completion: 10, cached: 0.5 } };
    const replies = [says("a", { usage }), says("b", { usage: { ...usage, cost: 0.25 } })];
    const { manager } = await pair(({ index }) => replies[index]!, {}, { priceTable });
    const first = await manager.chatCompletion({ messages: [user] });
    expect(first.usage).toEqual({
      prompt_tokens: 1000,
      completion_tokens: 100,
      total_tokens: 1100,
      cached_tokens: 400,
      cost_usd: 0.0024,
    });
    expect((await manager.chatCompletion({ messages: [user] })).usage.cost_usd).toBe(0.25);
    expect(manager.usage.cost_usd).toBeCloseTo(0.2524);
    expect(manager.metrics()["server/server_0_cost_usd"]).toBeCloseTo(0.2524);
  });

  test.each([[null], ["many"], [{ prompt_tokens: -5, completion_tokens: "x" }], [[]]])(
    "nonsense %j counts as 0",
    async (raw) => {
      const { manager } = await pair(() => says("a", { usage: raw as object }));
      const answer = await manager.chatCompletion({ messages: [user] });
      expect(answer.usage.completion_tokens).toBeGreaterThanOrEqual(0);
      expect(answer.usage.cost_usd).toBeNull();
    },
  );
});

test("a byte order mark before the answer is no part of it", async () => {
  const body = JSON.stringify({ choices: [{ message: { content: "hi" }, finish_reason: "stop" }] });
  const { server, manager } = await pair(() => ({ kind: "text", body: `\ufeff${body}` }));
  expect((await manager.chatCompletion({ messages: [user] })).choices[0]?.message.content).toBe("hi");
  expect(server.requests).toHaveLength(1);
});

test("a streamed answer is put together", async () => {
  const piece = (delta: object, finish_reason: string | null = null) => ({
    id: "s",
    model: "m",
    choices: [{ index: 0, delta, finish_reason }],
  });
  const { manager } = await pair(() => ({
    kind: "stream",
    pieces: [
      piece({ role: "assistant", content: "", reasoning_content: "be" }),
      piece({ reasoning_content: "cause", content: "Hel" }),
      piece({ content: "lo" }),
      piece({ tool_calls: [{ index: 0, id: "c1", function: { name: "f", arguments: "" } }] }),
      piece({
        tool_calls: [
          { index: 0, function: { arguments: '{"a"' } },
          { index: 1, id: "c2", function: { name: "g", arguments: "{}" } },
        ],
      }),
      piece({ tool_calls: [{ index: 0, function: { arguments: ":1}" } }] }),
      piece({}, "tool_calls"),
      { choices: [], usage: { prompt_tokens: 4, completion_tokens: 2 } },
    ],
  }));
  const answer = await manager.chatCompletion({ messages: [user], extra_body: { stream: true } });
  expect(answer.choices[0]).toEqual({
    index: 0,
    finish_reason: "tool_calls",
    message: {
      role: "assistant",
      content: "Hello",
      reasoning_content: "because",
      tool_calls: [call("c1", "f", '{"a":1}'), call("c2", "g", "{}")],
    },
  });
  expect(answer.usage.total_tokens).toBe(6);
});

test("calls and reasons come through", async () => {
  const { manager } = await pair(() => calls(call("x", "f", "{}")));
  const answer = await manager.chatCompletion({ messages: [user] });
  expect(answer.choices[0]?.finish_reason).toBe("tool_calls");
  for (const reason of ["length", "content_filter"]) {
    const { manager: other } = await pair(() => says("cut", { finish_reason: reason }));
    expect((await other.chatCompletion({ messages: [user] })).choices[0]?.finish_reason).toBe(reason);
  }
});
