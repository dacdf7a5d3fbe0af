import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { ToolSchema } from "../../core/index.ts";
import { CheckpointFolders, encodeSafetensors, randomEntries, tinyConfig } from "./checkpoint.fixture.ts";
import { EmbeddedClient, embeddedModelFolder } from "./embedded-client.ts";
import { EmbeddedServer } from "./embedded-server.ts";
import { TINY_MODEL } from "./model.ts";

const folders = new CheckpointFolders();
const server = await EmbeddedServer.open();
afterAll(async () => {
  await server.close();
  folders.remove();
});

const tool = (name: string, ...parameters: string[]): ToolSchema => ({
  type: "function",
  function: {
    name,
    description: "",
    parameters: {
      type: "object",
      properties: Object.fromEntries(parameters.map((parameter) => [parameter, { type: "string" }])),
      required: parameters,
    },
  },
});
const tools = [tool("terminal", "command"), tool("write_file", "path", "content")];
const messages = [
  {
    role: "user" as const,
    content: "Create a file at ~/greeting.txt containing exactly the text: Hello from Hermes Agent",
  },
];
const prompt = server.chatTokens({ messages, tools });

describe("EmbeddedServer", () => {
  it("calls a tool, reads its result and ends", async () => {
    const { choices, usage } = await server.chatCompletion({ messages, tools, temperature: 0 });
    const [call] = choices[0]!.message.tool_calls ?? [];
    expect(choices[0]!.finish_reason).toBe("tool_calls");
    expect(call?.function.name).toBe("write_file");
    expect(JSON.parse(call!.function.arguments)).toEqual({
      path: "~/greeting.txt",
      content: "Hello from Hermes Agent",
    });
    expect(usage.prompt_tokens).toBe(prompt.length);
    const result = {
      role: "tool" as const,
      tool_call_id: call!.id,
      content: '{"bytes_written":23,"dirs_created":true}',
    };
    const next = await server.chatCompletion({
      messages: [...messages, choices[0]!.message, result],
      tools,
      temperature: 0,
    });
    expect(next.choices[0]).toMatchObject({
      finish_reason: "stop",
      message: { content: expect.stringMatching(/^Done/) },
    });
    expect(next.usage.cached_tokens).toBeGreaterThan(prompt.length - 16);
  });

  it("gives the same ids for the same seed, alone and among others, and other ids for each of n", async () => {
    const request = { prompt_token_ids: prompt, temperature: 3, max_tokens: 20, seed: 11 };
    const [first] = (await server.generate(request)).completions;
    const crowd = await Promise.all(Array.from({ length: 12 }, (_, seed) => server.generate({ ...request, seed })));
    expect(crowd[11]!.completions[0]).toEqual(first);
    const several = (await server.generate({ ...request, n: 4 })).completions;
    expect(several[0]).toEqual(first);
    expect(new Set(several.map(({ tokens }) => tokens.join())).size).toBe(4);
  });

  it("gives untempered log-probabilities, and the tempered ones beside them", async () => {
    const [hot] = (await server.generate({ prompt_token_ids: prompt, temperature: 2, max_tokens: 10, seed: 1 }))
      .completions;
    const scored = await server.promptLogprobs([...prompt, ...hot!.tokens], 1);
    expect(scored.prompt_logprobs.slice(prompt.length)).toEqual(hot!.logprobs);
    expect(hot!.tempered_logprobs).toHaveLength(hot!.tokens.length);
    expect(hot!.tempered_logprobs).not.toEqual(hot!.logprobs);
    const [plain] = (await server.generate({ prompt_token_ids: prompt, max_tokens: 3, seed: 1 })).completions;
    expect(plain!.tempered_logprobs).toBeNull();
    const [greedy] = (await server.generate({ prompt_token_ids: prompt, max_tokens: 3, temperature: 0 })).completions;
    expect(greedy!.tokens[0]).toBe(scored.prompt_topk_token_ids[prompt.length]![0]);
  });

  it("stops at stop strings, stop tokens and the length, and says which", async () => {
    const base = { prompt_token_ids: prompt, temperature: 0 };
    const [stopped] = (await server.generate({ ...base, stop: ["from Her", "never"] })).completions;
    expect(stopped).toMatchObject({
      finish_reason: "stop",
      matched: "from Her",
      text: expect.stringMatching(/Hello $/),
    });
    expect(server.tokenizer.decode(stopped!.tokens)).toContain("from Her");
    expect(stopped!.logprobs).toHaveLength(stopped!.tokens.length);
    const [ended] = (await server.generate(base)).completions;
    expect(ended).toMatchObject({ finish_reason: "stop", matched: 2 });
    expect(ended!.tokens.at(-1)).toBe(2);
    const [token] = (await server.generate({ ...base, stop_token_ids: [ended!.tokens[3]!] })).completions;
    expect(token!.tokens).toEqual(ended!.tokens.slice(0, 4));
    const [cut] = (await server.generate({ ...base, max_tokens: 5 })).completions;
    expect(cut).toMatchObject({ finish_reason: "length", matched: null, tokens: ended!.tokens.slice(0, 5) });
    const [on] = (await server.generate({ ...base, ignore_eos: true, max_tokens: ended!.tokens.length + 3 }))
      .completions;
    expect(on!.tokens).toHaveLength(ended!.tokens.length + 3);
  });

  it("keeps a length stop in the middle of a call apart from a whole call", async () => {
    const { choices } = await server.chatCompletion({ messages, tools, temperature: 0, max_tokens: 12 });
    expect(choices[0]).toMatchObject({ finish_reason: "length" });
  });

  it.each([
    ["an unknown token", { prompt_token_ids: [1, 512] }, "token_unknown"],
    ["an over-long prompt", { prompt_token_ids: Array<number>(2048).fill(7) }, "prompt_too_long"],
    ["an empty prompt", { prompt_token_ids: [] }, "bad_request"],
    ["a negative temperature", { prompt_token_ids: [1], temperature: -1 }, "bad_request"],
    ["a top_p over 1", { prompt_token_ids: [1], top_p: 1.1 }, "bad_request"],
    ["no new tokens", { prompt_token_ids: [1], max_tokens: 0 }, "bad_request"],
    ["a temperature that is no number", { prompt_token_ids: [1], temperature: Number.NaN }, "bad_request"],
    ["a forced tool", { messages, tools, tool_choice: "required" as const }, "bad_request"],
  ])("refuses %s", async (_what, request, code) => {
    const answer = "messages" in request ? server.chatCompletion(request) : server.generate(request);
    await expect(answer).rejects.toMatchObject({ code });
  });

  it("cancels what is aborted and leaves the event loop free", async () => {
    const abort = new AbortController();
    const long = { prompt_token_ids: prompt, ignore_eos: true, max_tokens: 1500, signal: abort.signal };
    const answers = Promise.allSettled([
      server.generate({ ...long, n: 3 }),
      server.promptLogprobs(prompt, 1, abort.signal),
    ]);
    let turns = 0;
    while (turns < 50) {
      await new Promise((resolve) => setImmediate(resolve));
      turns++;
    }
    abort.abort();
    expect((await answers).map((answer) => answer.status === "rejected" && answer.reason.code)).toContain("cancelled");
    await expect(server.generate(long)).rejects.toMatchObject({ code: "cancelled" });
    expect((await server.generate({ prompt_token_ids: prompt, max_tokens: 1 })).completions).toHaveLength(1);
  });
});

describe("weights that are swapped", () => {
  it("serve all later requests, count a version, and stay when a load fails", async () => {
    const first = folders.random(1);
    const swapped = await EmbeddedServer.open({ model: first });
    try {
      const request = { prompt_token_ids: [4, 5, 6], max_tokens: 8, seed: 1, temperature: 2 };
      const before = (await swapped.generate(request)).completions[0]!;
      expect(before.weight_version).toBe(1);
      const broken = folders.make({
        config: tinyConfig,
        weights: encodeSafetensors(randomEntries(2)).subarray(0, 500),
      });
      const larger = folders.make({
        config: { ...tinyConfig, vocab_size: 44 },
        weights: encodeSafetensors(randomEntries(2, { ...tinyConfig, vocab_size: 44 })),
      });
      for (const [path, code] of [
        ["/nonexistent", "not_found"],
        [broken, "weights_invalid"],
        [larger, "weights_invalid"],
      ] as const) {
        await expect(swapped.load(path)).rejects.toMatchObject({ code });
      }
      expect((await swapped.generate(request)).completions[0]).toEqual(before);
      // Requests of the same turn come before the load; what is asked after it gets the new weights.
      const during = Array.from({ length: 5 }, () => swapped.generate({ ...request, max_tokens: 40 }));
      expect(await Promise.all([swapped.load(folders.random(2)), swapped.load(folders.random(3))])).toEqual([2, 3]);
      const after = (await swapped.generate(request)).completions[0]!;
      expect(after.weight_version).toBe(3);
      expect(after.logprobs).not.toEqual(before.logprobs);
      for (const { completions } of await Promise.all(during)) expect(completions[0]!.weight_version).toBe(1);
      writeFileSync(join(first, "config.json"), JSON.stringify(tinyConfig));
      expect(await swapped.load(join(first, "model.safetensors"))).toBe(4);
      expect((await swapped.generate(request)).completions[0]).toEqual({ ...before, weight_version: 4 });
    } finally {
      await swapped.close();
    }
    await expect(swapped.generate({ prompt_token_ids: [4] })).rejects.toMatchObject({ code: "cancelled" });
  });

  it("are refused at the start with a clear error", async () => {
    await expect(EmbeddedServer.open({ model: "/nonexistent" })).rejects.toMatchObject({ code: "not_found" });
    const bare = folders.make({ config: tinyConfig, weights: encodeSafetensors(randomEntries(1)) });
    await expect(EmbeddedServer.open({ model: bare })).rejects.toMatchObject({ code: "tokenizer_error" });
  });
});

describe("EmbeddedClient", () => {
  it("shares one thread among the clients of a folder and bounds each attempt", async () => {
    expect(embeddedModelFolder("default")).toBe(TINY_MODEL);
    const model_name = folders.random(5);
    const clients = await Promise.all([EmbeddedClient.open({ model_name }), EmbeddedClient.open({ model_name })]);
    expect(clients[0]!.server).toBe(clients[1]!.server);
    await clients[0]!.close();
    await expect(clients[0]!.probe()).rejects.toMatchObject({ code: "connection" });
    const late = clients[1]!.generate({ prompt_token_ids: [4], max_tokens: 90 }, { timeoutMs: 0 });
    await expect(late).rejects.toMatchObject({ code: "timeout" });
    const { completions } = await clients[1]!.generate({ prompt_token_ids: [4], max_tokens: 2 }, { timeoutMs: 60_000 });
    expect(completions[0]!.tokens.length).toBeGreaterThan(0);
    await clients[1]!.close();
    await expect(clients[1]!.generate({ prompt_token_ids: [4] }, { timeoutMs: 60_000 })).rejects.toMatchObject({
      code: "cancelled",
    });
  });
});
