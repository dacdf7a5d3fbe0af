import { afterAll, describe, expect, it } from "vitest";
import { CheckpointFolders } from "../checkpoint.fixture.ts";
import { EmbeddedServer } from "../embedded-server.ts";
import { embeddedHttp } from "./http-server.ts";

const folders = new CheckpointFolders();
const server = await EmbeddedServer.open();
const http = embeddedHttp(server);
const url = await http.listen({ host: "127.0.0.1", port: 0 });
afterAll(async () => {
  await http.close();
  await server.close();
  folders.remove();
});

const post = (path: string, body: unknown, signal: AbortSignal | null = null) =>
  fetch(url + path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: typeof body === "string" ? body : JSON.stringify(body),
    signal,
  });
// biome-ignore lint/suspicious/noExplicitAny: answers are judged field by field
const answer = async (path: string, body: unknown): Promise<any> => {
  const response = await post(path, body);
  expect(response.status).toBe(200);
  return response.json();
};
const events = async (path: string, body: object) => {
  const text = await (await post(path, { ...body, stream: true })).text();
  const parts = text.trim().split("\n\n");
  expect(parts.at(-1)).toBe("data: [DONE]");
  return parts.slice(0, -1).map((part) => JSON.parse(part.replace(/^data: /, "")));
};

const parameters = (...names: string[]) => ({
  type: "object",
  properties: Object.fromEntries(names.map((name) => [name, { type: "string" }])),
  required: names,
});
const tools = [
  { type: "function", function: { name: "terminal", description: "", parameters: parameters("command") } },
  { type: "function", function: { name: "write_file", description: "", parameters: parameters("path", "content") } },
];
const chat = {
  model: "anything",
  messages: [
    { role: "user", content: "Create a file at /tmp/note.txt containing exactly the text: see you on Monday" },
  ],
  tools,
  temperature: 0,
};
const ids = server.tokenizer.encode(
  "<|im_start|>user\nWrite the number 7 to seven.txt<|im_end|>\n<|im_start|>assistant\n",
);

describe("the routes", () => {
  it("say that the model is ready, and what it is", async () => {
    expect(await (await fetch(`${url}/health`)).json()).toEqual({ status: "ok", model: "tiny", weight_version: 1 });
    const models = await (await fetch(`${url}/v1/models`)).json();
    expect(models).toMatchObject({ object: "list", data: [{ id: "tiny", max_model_len: 2048, weight_version: 1 }] });
  });

  it("chat with tools, whole", async () => {
    const whole = await answer("/v1/chat/completions", {
      ...chat,
      logprobs: true,
      top_logprobs: 2,
      return_token_ids: true,
    });
    expect(whole).toMatchObject({
      object: "chat.completion",
      weight_version: 1,
      choices: [{ finish_reason: "tool_calls" }],
    });
    const [choice] = whole.choices;
    expect(JSON.parse(choice.message.tool_calls[0].function.arguments)).toEqual({
      path: "/tmp/note.txt",
      content: "see you on Monday",
    });
    expect(choice.logprobs.content).toHaveLength(choice.token_ids.length);
    expect(choice.logprobs.content[0].top_logprobs).toHaveLength(2);
    expect(whole.usage.prompt_tokens).toBe(whole.prompt_token_ids.length);
  });

  it("chat with tools, streamed: the parts are the whole", async () => {
    const whole = await answer("/v1/chat/completions", chat);
    const parts = await events("/v1/chat/completions", { ...chat, stream_options: { include_usage: true } });
    const deltas = parts.flatMap((part) => part.choices);
    const calls = deltas.flatMap((choice) => choice.delta.tool_calls ?? []);
    expect(calls.map((call) => call.function)).toEqual(
      whole.choices[0].message.tool_calls.map((call: { function: unknown }) => call.function),
    );
    expect(deltas.map((choice) => choice.delta.content ?? "").join("")).toBe(whole.choices[0].message.content ?? "");
    expect(deltas.at(-1).finish_reason).toBe("tool_calls");
    expect(parts.at(-1).usage.completion_tokens).toBe(whole.usage.completion_tokens);
    expect(new Set(parts.map((part) => part.weight_version))).toEqual(new Set([1]));
  });

  it("stream plain text as it comes", async () => {
    const plain = { messages: chat.messages, temperature: 1, seed: 5, max_tokens: 30 };
    const whole = await answer("/v1/chat/completions", plain);
    const parts = await events("/v1/chat/completions", plain);
    const text = parts.map((part) => part.choices[0]?.delta.content ?? "").join("");
    expect(text).toBe(whole.choices[0].message.content);
  });

  it("complete a text or ids, whole and streamed, several times", async () => {
    const request = { prompt: ids, max_tokens: 12, temperature: 1.5, seed: 4, n: 2 };
    const whole = await answer("/v1/completions", { ...request, logprobs: 1 });
    expect(whole.choices).toHaveLength(2);
    expect(whole.choices[0].logprobs.tokens).toHaveLength(whole.choices[0].logprobs.token_logprobs.length);
    const parts = await events("/v1/completions", request);
    for (const { index, text } of whole.choices) {
      const mine = parts.flatMap((part) => part.choices).filter((choice) => choice.index === index);
      expect(mine.map((choice) => choice.text).join("")).toBe(text);
    }
    const text = server.tokenizer.decode(ids);
    expect((await answer("/v1/completions", { ...request, prompt: text })).choices[0].text).toBe(whole.choices[0].text);
  });
});

describe("/generate", () => {
  const sampling = { temperature: 1, top_p: 0.9, seed: 21 };

  it("speaks vLLM's dialect", async () => {
    const body = { prompt: { prompt_token_ids: ids }, logprobs: 0, max_tokens: 20, n: 2, ...sampling };
    const result = await answer("/generate", body);
    expect(result).toMatchObject({ prompt_token_ids: ids, weight_version: 1, prompt: server.tokenizer.decode(ids) });
    expect(result.text).toHaveLength(2);
    result.token_ids.forEach((tokens: number[], at: number) => {
      expect(result.logprobs[at].map(([entry]: [object]) => Object.keys(entry))).toEqual(
        tokens.map((id) => [String(id)]),
      );
    });
    expect(result.finish_reasons.every((reason: string) => ["stop", "length"].includes(reason))).toBe(true);
    expect(await answer("/generate", body)).toEqual(expect.objectContaining({ token_ids: result.token_ids }));
    const { prompt_logprobs: prompt } = await answer("/generate", { ...body, n: 1, prompt_logprobs: 2 });
    expect(prompt).toHaveLength(ids.length);
    expect(prompt[0]).toBeNull();
    prompt.slice(1).forEach((entry: object, at: number) => {
      expect(Object.keys(entry)).toContain(String(ids[at + 1]));
    });
  });

  it("speaks SGLang's dialect with the same tokens and log-probabilities", async () => {
    const vllm = await answer("/generate", { prompt: { prompt_token_ids: ids }, max_tokens: 20, ...sampling });
    const body = { input_ids: ids, sampling_params: { ...sampling, max_new_tokens: 20 }, return_logprob: true };
    const one = await answer("/generate", body);
    expect(one.output_ids).toEqual(vllm.token_ids[0]);
    expect(one.meta_info.weight_version).toBe(1);
    expect(one.meta_info.output_token_logprobs).toEqual(
      vllm.token_ids[0].map((id: number, at: number) => [vllm.logprobs[0][at][0][id], id, null]),
    );
    expect(one.meta_info.finish_reason.type).toBe(vllm.finish_reasons[0]);
    const many = await answer("/generate", {
      ...body,
      input_ids: [ids, ids.slice(0, 5)],
      return_text_in_logprobs: true,
      logprob_start_len: 0,
    });
    expect(many).toHaveLength(2);
    expect(many[1].meta_info.input_token_logprobs.map((entry: unknown[]) => entry[1])).toEqual(ids.slice(0, 5));
    expect((await answer("/generate", { text: "a", sampling_params: { n: 3, max_new_tokens: 2 } })).length).toBe(3);
  });
});

describe("bad requests", () => {
  it.each([
    ["no JSON", "/generate", "{", 400, "bad_request"],
    ["a list", "/generate", [], 400, "bad_request"],
    ["neither dialect", "/generate", { max_tokens: 3 }, 400, "bad_request"],
    ["an unknown token", "/generate", { prompt: { prompt_token_ids: [1, 4096] } }, 400, "token_unknown"],
    ["ids that are no numbers", "/generate", { input_ids: ["1"] }, 400, "bad_request"],
    ["both fields of a dialect", "/generate", { input_ids: [1], text: "a" }, 400, "bad_request"],
    ["an over-long prompt", "/generate", { input_ids: Array<number>(3000).fill(9) }, 400, "context_length_exceeded"],
    [
      "a temperature in words",
      "/generate",
      { input_ids: [1], sampling_params: { temperature: "hot" } },
      400,
      "bad_request",
    ],
    ["no messages", "/v1/chat/completions", { messages: [] }, 400, "bad_request"],
    ["a bad field in a stream", "/v1/chat/completions", { ...chat, stream: true, top_p: 7 }, 400, "bad_request"],
    ["messages that are no messages", "/v1/chat/completions", { messages: [3] }, 400, "template_error"],
    ["a prompt that is none", "/v1/completions", { prompt: {} }, 400, "bad_request"],
    ["a load without a path", "/load", {}, 400, "bad_request"],
    ["a load of nothing", "/load", { path: "/nonexistent" }, 404, "not_found"],
    ["another route", "/v2/chat", {}, 404, "not_found"],
  ])("%s", async (_what, path, body, status, code) => {
    const response = await post(path, body);
    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject({ error: { code, message: expect.any(String) } });
  });

  it("leave the weights as they were", async () => {
    expect(await (await fetch(`${url}/health`)).json()).toMatchObject({ weight_version: 1 });
  });
});

describe("under load", () => {
  it("answers many at once, stops for clients that go away, and swaps weights between requests", async () => {
    const greedy = { prompt: { prompt_token_ids: ids }, temperature: 0, max_tokens: 24 };
    const [expected] = (await answer("/generate", greedy)).token_ids;
    const gone = new AbortController();
    const left = post("/generate", { ...greedy, ignore_eos: true, max_tokens: 1900 }, gone.signal);
    const crowd = Array.from({ length: 24 }, () => answer("/generate", greedy));
    setTimeout(() => gone.abort(), 20);
    await expect(left).rejects.toThrow();
    for (const result of await Promise.all(crowd)) expect(result.token_ids).toEqual([expected]);
    const mixed = Array.from({ length: 12 }, () => answer("/generate", greedy));
    const loaded = await answer("/load", { path: folders.random(1) });
    expect(loaded.weight_version).toBe(2);
    for (const { weight_version, token_ids } of await Promise.all(mixed)) {
      expect(token_ids[0].join() === expected.join()).toBe(weight_version === 1);
    }
    expect((await answer("/generate", { prompt: "a", max_tokens: 2 })).weight_version).toBe(2);
  });
});
