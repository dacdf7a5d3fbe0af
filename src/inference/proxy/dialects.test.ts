/**
 * Conversations of agent programs in each dialect, over real HTTP. Whatever such a program does to what it was given that
 * is no edit (dropping reasoning, moving cache marks, sending results between calls), the rollout stays one sequence.
 */
import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { MASKED } from "../../tokens/index.ts";
import type { SessionProxy } from "./index.ts";
import {
  type Client,
  clientOf,
  eventsOf,
  proxyOf,
  type ScriptedModel,
  scriptedModel,
} from "./scripted-model.fixture.ts";

let proxy: SessionProxy | null = null;
afterEach(async () => {
  await proxy?.close();
  proxy = null;
});

const schema = {
  type: "object",
  properties: { path: { type: "string" }, count: { type: "integer" }, deep: { type: "object" } },
};
const NAMES = ["read_file", "write_file"] as const;

interface Step {
  reasoning: string;
  text: string;
  calls: { name: string; args: Record<string, unknown> }[];
  /** What the program does with the answer before it sends it back. */
  dropsReasoning: boolean;
  interleaves: boolean;
  streams: boolean;
}

const word = fc.constantFrom("apple", "river", "über", "x = 1", "日本", "a\nb", '"quoted"', "{}", "100%");
const words = fc.array(word, { minLength: 1, maxLength: 4 }).map((list) => list.join(" "));
const step: fc.Arbitrary<Step> = fc.record({
  reasoning: fc.oneof(fc.constant(""), words),
  text: words,
  calls: fc.array(
    fc.record({
      name: fc.constantFrom(...NAMES),
      args: fc.record({
        path: words,
        count: fc.integer(),
        deep: fc.record({ x: fc.double({ noNaN: true, noDefaultInfinity: true }) }),
      }),
    }),
    { maxLength: 3 },
  ),
  dropsReasoning: fc.boolean(),
  interleaves: fc.boolean(),
  streams: fc.boolean(),
});

/** What the model samples for a step: no template prints it just so. */
function sampledText({ reasoning, text, calls }: Step): string {
  const thought = reasoning === "" ? "" : `<think>\n${reasoning}\n</think>\n\n`;
  const written = calls.map(
    ({ name, args }) => `\n<tool_call>\n{"arguments":${JSON.stringify(args)},  "name":"${name}"}\n</tool_call>`,
  );
  return thought + text + written.join("");
}

type Json = Record<string, unknown>;

/** A program that speaks one dialect: sends the steps' results and questions, one call to the model for each step. */
type Program = (client: Client, steps: readonly Step[]) => Promise<void>;

const chat: Program = async (client, steps) => {
  const tools = NAMES.map((name) => ({ type: "function", function: { name, description: name, parameters: schema } }));
  const messages: Json[] = [
    { role: "system", content: "Act." },
    { role: "user", content: [{ type: "text", text: "Begin." }] },
  ];
  for (const { dropsReasoning, streams } of steps) {
    const body = { model: "m", messages, tools, stream: streams, stream_options: { include_usage: true } };
    const message = streams ? await streamedChat(client, body) : messageOf(await client.ask("chat/completions", body));
    if (dropsReasoning) delete message.reasoning_content;
    messages.push(message);
    const calls = (message.tool_calls ?? []) as { id: string }[];
    for (const { id } of calls) messages.push({ role: "tool", tool_call_id: id, content: "ok" });
    if (calls.length === 0) messages.push({ role: "user", content: "Go on." });
  }
};

const messageOf = (answer: Json): Json => (answer.choices as { message: Json }[])[0]!.message;

async function streamedChat(client: Client, body: Json): Promise<Json> {
  const events = eventsOf(await (await client.post("chat/completions", body)).text());
  expect(events.at(-1)!.data).toBe("[DONE]");
  const chunks = events.slice(0, -1).map(({ data }) => JSON.parse(data));
  expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { total_tokens: expect.any(Number) } });
  const message: Json = { role: "assistant", content: "" };
  const calls: { id: string; type: string; function: { name: string; arguments: string } }[] = [];
  for (const { choices } of chunks) {
    const delta = choices[0]?.delta ?? {};
    if (delta.content) message.content += delta.content;
    if (delta.reasoning_content)
      message.reasoning_content = `${message.reasoning_content ?? ""}${delta.reasoning_content}`;
    for (const { index, ...part } of delta.tool_calls ?? []) {
      if (part.id) calls[index] = { id: part.id, type: part.type, function: { ...part.function } };
      else calls[index]!.function.arguments += part.function.arguments;
    }
  }
  return calls.length > 0 ? { ...message, tool_calls: calls } : message;
}

const responses: Program = async (client, steps) => {
  const tools = NAMES.map((name) => ({ type: "function", name, description: name, parameters: schema }));
  const input: Json[] = [{ role: "user", content: [{ type: "input_text", text: "Begin." }] }];
  for (const { dropsReasoning, interleaves, streams } of steps) {
    const body = {
      model: "m",
      instructions: "Act.",
      input,
      tools,
      store: false,
      stream: streams,
      max_output_tokens: 500,
    };
    const answer = streams ? await streamedResponse(client, body) : await client.ask("responses", body);
    const output = (answer.output as Json[]).filter(({ type }) => !(dropsReasoning && type === "reasoning"));
    const calls = output.filter(({ type }) => type === "function_call");
    const result = ({ call_id }: Json) => ({ type: "function_call_output", call_id, output: "ok" });
    if (interleaves)
      input.push(...output.flatMap((item) => (item.type === "function_call" ? [item, result(item)] : [item])));
    else input.push(...output, ...calls.map(result));
    if (calls.length === 0) input.push({ role: "user", content: "Go on." });
  }
};

async function streamedResponse(client: Client, body: Json): Promise<Json> {
  const events = eventsOf(await (await client.post("responses", body)).text()).map(({ event, data }) => {
    const parsed = JSON.parse(data) as Json;
    expect(parsed.type).toBe(event);
    return parsed;
  });
  expect(events.map(({ sequence_number }) => sequence_number)).toEqual(events.map((_, at) => at));
  const { response } = events.at(-1) as { response: Json };
  const done = events.filter(({ type }) => type === "response.output_item.done").map(({ item }) => item);
  expect(done).toEqual(response.output);
  for (const [at, item] of (response.output as Json[]).entries()) {
    const deltas = events.filter(({ type, output_index }) => String(type).endsWith(".delta") && output_index === at);
    const content = item.content as { text: string }[] | undefined;
    expect(deltas.map(({ delta }) => delta).join("")).toBe(content ? content[0]!.text : item.arguments);
  }
  return response;
}

const anthropic: Program = async (client, steps) => {
  const tools = NAMES.map((name) => ({ name, description: name, input_schema: schema }));
  const messages: { role: string; content: unknown }[] = [{ role: "user", content: "Begin." }];
  for (const [at, { dropsReasoning, streams }] of steps.entries()) {
    const marked = { type: "ephemeral" };
    const system = [
      { type: "text", text: `x-anthropic-billing-header: call ${at}` },
      { type: "text", text: "Act.", cache_control: marked },
    ];
    // The cache mark wanders, and with it the form of what the user said.
    const sent = messages.map(({ role, content }, place) => {
      const isLast = place === messages.length - 1;
      return {
        role,
        content:
          isLast && typeof content === "string" ? [{ type: "text", text: content, cache_control: marked }] : content,
      };
    });
    const thinking = { type: "enabled", budget_tokens: 1024 };
    const body = { model: "m", max_tokens: 500, system, messages: sent, tools, thinking, stream: streams };
    const content = streams
      ? await streamedMessage(client, body)
      : ((await client.ask("messages", body)).content as Json[]);
    messages.push({
      role: "assistant",
      content: content.filter(({ type }) => !(dropsReasoning && type === "thinking")),
    });
    const calls = content.filter(({ type }) => type === "tool_use");
    const results = calls.map(({ id }) => ({
      type: "tool_result",
      tool_use_id: id,
      content: [{ type: "text", text: "ok" }],
    }));
    messages.push({ role: "user", content: calls.length > 0 ? results : "Go on." });
  }
};

async function streamedMessage(client: Client, body: Json): Promise<Json[]> {
  const events = eventsOf(await (await client.post("messages", body)).text()).map(({ data }) => JSON.parse(data));
  expect(events[0].type).toBe("message_start");
  expect(events.at(-2)).toMatchObject({ type: "message_delta", usage: { output_tokens: expect.any(Number) } });
  expect(events.at(-1)).toEqual({ type: "message_stop" });
  const blocks: Json[] = [];
  const json: string[] = [];
  for (const { type, index, content_block, delta } of events) {
    if (type === "content_block_start") blocks[index] = content_block;
    if (type === "content_block_delta") {
      const { type: kind, partial_json, ...fields } = delta;
      if (kind === "input_json_delta") json[index] = (json[index] ?? "") + partial_json;
      for (const [name, text] of Object.entries(fields)) blocks[index]![name] = `${blocks[index]![name]}${text}`;
    }
    if (type === "content_block_stop" && blocks[index]!.type === "tool_use")
      blocks[index]!.input = JSON.parse(json[index]!);
  }
  return blocks;
}

async function sequencesAfter(program: Program, steps: readonly Step[]) {
  const model: ScriptedModel = await scriptedModel();
  model.answers.push(...steps.map((step) => () => sampledText(step)));
  proxy = await proxyOf(model);
  const client = await clientOf(proxy, { preserve_thinking: true });
  await program(client, steps);
  const found = client.session.sequences();
  await proxy.close();
  return { model, ...found };
}

describe.each([
  ["OpenAI chat", chat],
  ["OpenAI Responses", responses],
  ["Anthropic Messages", anthropic],
])("a conversation in %s", (_name, program) => {
  it("is one sequence of exactly the tokens that were sent and sampled", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 5 }), async (steps) => {
        const { model, sequences, drift } = await sequencesAfter(program, steps);
        expect(drift!.branches).toEqual({ start: 1 });
        expect(sequences).toHaveLength(1);
        const { tokens, masks, inference_logprobs } = sequences[0]!;
        const trained = masks.filter((mask) => mask !== MASKED);
        const sampled = steps.flatMap((each) => [
          ...model.tokenizer.encode(sampledText(each), { addSpecialTokens: false }),
          model.tokenizer.eosTokenId!,
        ]);
        expect(trained).toEqual(sampled);
        expect(inference_logprobs).toHaveLength(tokens.length);
        for (const { prompt_token_ids } of model.requests) {
          expect(tokens.slice(0, prompt_token_ids.length)).toEqual(prompt_token_ids);
        }
      }),
      { numRuns: 25 },
    );
  });
});

const say = (text: string, more: Partial<Step> = {}): Step => ({
  reasoning: "",
  text,
  calls: [],
  dropsReasoning: false,
  interleaves: false,
  streams: false,
  ...more,
});

describe("one conversation in several dialects", () => {
  it("is the same conversation", async () => {
    const model = await scriptedModel("One.", "Two.", "Three.");
    proxy = await proxyOf(model);
    const client = await clientOf(proxy);
    const ask = { role: "user", content: "Begin." };
    await client.ask("chat/completions", { messages: [ask] });
    const next = [ask, { role: "assistant", content: "One." }, { role: "user", content: "Go on." }];
    await client.ask("messages", { max_tokens: 20, messages: next });
    await client.ask("responses", {
      input: [...next, { role: "assistant", content: "Two." }, { role: "user", content: "And?" }],
    });
    expect(client.session.sequences()).toMatchObject({ tokens: "exact", drift: { calls: 3, extended: 2 } });
    expect(client.session.sequences().sequences).toHaveLength(1);
    expect(client.session.conversation().map(({ content }) => content)).toEqual([
      "Begin.",
      "One.",
      "Go on.",
      "Two.",
      "And?",
      "Three.",
    ]);
  });
});

describe("what changes the history", () => {
  it("branches: sub-agents, compaction, edited results", async () => {
    const model = await scriptedModel("a");
    proxy = await proxyOf(model);
    const client = await clientOf(proxy);
    const user = (content: string) => ({ role: "user", content });
    const answer = { role: "assistant", content: "a" };
    const call = (...messages: object[]) => client.ask("chat/completions", { messages });
    await call(user("Main task"));
    await Promise.all([
      call(user("Sub-agent 1")),
      call(user("Sub-agent 2")),
      call(user("Main task"), answer, user("next")),
    ]);
    await call(user("Summary of the above"), user("next"));
    const { sequences, drift } = client.session.sequences();
    expect(drift).toMatchObject({ calls: 5, extended: 1, branches: { start: 1, new_conversation: 3 } });
    expect(sequences).toHaveLength(4);
    const trained = sequences.flatMap(({ masks }) => masks.filter((mask) => mask !== MASKED));
    expect(trained).toHaveLength(2 * 5);
  });
});

describe("details of the dialects", () => {
  it("gives invalid arguments to Anthropic clients as they are, and knows them again", async () => {
    const broken = '<tool_call>\n{"name": "read_file", "arguments": "not an object"}\n</tool_call>';
    const model = await scriptedModel(broken, "Done.");
    proxy = await proxyOf(model);
    const client = await clientOf(proxy);
    await anthropic(client, [say(""), say("")]);
    expect(client.session.sequences().sequences).toHaveLength(1);
  });

  it("says in each dialect what ended an answer", async () => {
    const model = await scriptedModel("one two three STOP four");
    proxy = await proxyOf(model);
    const client = await clientOf(proxy);
    const messages = [{ role: "user", content: "Count." }];
    const cut = { messages, max_tokens: 2, input: messages, max_output_tokens: 2 };
    expect(await client.ask("chat/completions", cut)).toMatchObject({ choices: [{ finish_reason: "length" }] });
    expect(await client.ask("messages", cut)).toMatchObject({ stop_reason: "max_tokens" });
    expect(await client.ask("responses", cut)).toMatchObject({
      status: "incomplete",
      incomplete_details: { reason: "max_output_tokens" },
    });
    const stopped = { messages, max_tokens: 50, stop_sequences: ["STOP"], stop: "STOP" };
    expect(await client.ask("messages", stopped)).toMatchObject({
      stop_reason: "stop_sequence",
      stop_sequence: "STOP",
      content: [{ type: "text", text: "one two three " }],
    });
    expect(messageOf(await client.ask("chat/completions", stopped)).content).toBe("one two three ");
  });

  it("continues a response by its id, counts tokens, renders prompts", async () => {
    const model = await scriptedModel("One.", "Two.");
    proxy = await proxyOf(model);
    const client = await clientOf(proxy);
    const first = await client.ask("responses", { instructions: "Act.", input: "Begin." });
    await client.ask("responses", { instructions: "Act.", input: "Go on.", previous_response_id: first.id });
    expect(client.session.sequences().sequences).toHaveLength(1);
    const unknown = await client.post("responses", { input: "x", previous_response_id: "resp_other" });
    expect([unknown.status, await unknown.json()]).toMatchObject([
      400,
      { error: { code: "previous_response_not_found" } },
    ]);
    const messages = [{ role: "user", content: "Begin." }];
    const rendered = await client.ask("chat/completions/render", { messages });
    expect(rendered.prompt_text).toBe("<|im_start|>user\nBegin.<|im_end|>\n<|im_start|>assistant\n");
    expect(rendered.num_tokens).toBe((rendered.token_ids as number[]).length);
    expect(await client.ask("messages/count_tokens", { messages })).toEqual({ input_tokens: rendered.num_tokens });
  });

  it("offers free-text tools of the Responses dialect, and gives their input back as text", async () => {
    const model = await scriptedModel(
      '<tool_call>\n{"name": "apply_patch", "arguments": {"input": "*** Begin"}}\n</tool_call>',
      "Done.",
    );
    proxy = await proxyOf(model);
    const client = await clientOf(proxy);
    const tools = [{ type: "custom", name: "apply_patch", description: "Patch" }, { type: "web_search" }];
    const { output } = (await client.ask("responses", { input: "Patch it.", tools })) as { output: Json[] };
    expect(output).toMatchObject([{ type: "custom_tool_call", name: "apply_patch", input: "*** Begin" }]);
    const result = { type: "custom_tool_call_output", call_id: output[0]!.call_id, output: "ok" };
    await client.ask("responses", { input: [{ role: "user", content: "Patch it." }, ...output, result], tools });
    expect(client.session.sequences().sequences).toHaveLength(1);
  });

  it("refuses what it cannot read, naming the field", async () => {
    const model = await scriptedModel("x");
    proxy = await proxyOf(model);
    const client = await clientOf(proxy);
    const refused = async (path: string, body: unknown) => {
      const response = await client.post(path, body);
      return [response.status, ((await response.json()) as { error: { message: string } }).error.message];
    };
    const image = [{ role: "user", content: [{ type: "image_url", image_url: { url: "data:," } }] }];
    expect(await refused("chat/completions", { messages: image })).toMatchObject([
      400,
      expect.stringContaining("image_url"),
    ]);
    expect(await refused("chat/completions", { messages: [{ role: "robot" }] })).toMatchObject([
      400,
      expect.stringContaining("messages.0"),
    ]);
    expect(
      await refused("chat/completions", { messages: [{ role: "user", content: "x" }], max_tokens: 0 }),
    ).toMatchObject([400, expect.stringContaining("max_tokens")]);
    expect(await refused("messages", { messages: [] })).toMatchObject([400, expect.stringContaining("messages")]);
    expect(await refused("responses", { input: [{ type: "computer_call" }] })).toMatchObject([
      400,
      expect.stringContaining("input.0.type"),
    ]);
    // A token server samples freely: what it cannot be held to is refused, never passed over.
    const ask = { messages: [{ role: "user", content: "x" }], max_tokens: 5 };
    const schema = { type: "json_schema", schema: { type: "object" } };
    const demands: [path: string, body: object, says: string][] = [
      ["chat/completions", { ...ask, tool_choice: "required" }, "required"],
      ["chat/completions", { ...ask, tool_choice: { type: "function", function: { name: "f" } } }, "tool f"],
      ["chat/completions", { ...ask, tool_choice: "sometimes" }, "tool_choice"],
      ["chat/completions", { ...ask, response_format: { type: "json_object" } }, "json_object"],
      ["responses", { input: "x", tool_choice: "required" }, "required"],
      ["responses", { input: "x", tool_choice: { type: "function", name: "f" } }, "tool f"],
      ["responses", { input: "x", text: { format: { ...schema, name: "n" } } }, "json_schema"],
      ["messages", { ...ask, tool_choice: { type: "any" } }, "required"],
      ["messages", { ...ask, tool_choice: { type: "tool", name: "f" } }, "tool f"],
      ["messages", { ...ask, output_config: { format: schema } }, "json_schema"],
    ];
    for (const [path, body, says] of demands) {
      expect(await refused(path, body)).toMatchObject([400, expect.stringContaining(says)]);
    }
    expect(model.requests).toEqual([]);
    const plain = { ...ask, tool_choice: "auto", response_format: { type: "text" } };
    expect((await client.post("chat/completions", plain)).status).toBe(200);
  });
});
