/** The proxy over real connections: routes, keys, budgets, repeated requests, cut connections, slow streams. */
import { request as httpRequest } from "node:http";
import { connect } from "node:net";
import { afterEach, describe, expect, it, vi } from "vitest";
import { noUsage } from "../../core/index.ts";
import type { ChatServer } from "../contract.ts";
import { type SessionProxy, startProxy } from "./index.ts";
import { clientOf, eventsOf, proxyOf, scriptedModel } from "./scripted-model.fixture.ts";

let proxy: SessionProxy;
afterEach(() => proxy.close());

type Json = Record<string, unknown>;
const messages = [{ role: "user", content: "Hello" }];

async function json(path: string, init: RequestInit = {}): Promise<[number, Json]> {
  const response = await fetch(`${proxy.url}${path}`, init);
  return [response.status, (await response.json()) as Json];
}

const posted = (body: unknown, headers: Record<string, string> = {}): RequestInit => ({
  method: "POST",
  headers: { "content-type": "application/json", ...headers },
  body: JSON.stringify(body),
});

/** A promise and what settles it. */
function gate(): { opened: Promise<void>; open: () => void } {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

/** Waits until something holds; a test that waits in vain runs into its time-out. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5));
}

describe("sessions", () => {
  it("are made, listed, used and ended over HTTP", async () => {
    proxy = await proxyOf(await scriptedModel("Hi."));
    const [status, made] = await json(
      "/sessions/create",
      posted({ tool_parser: "hermes", track_tree: true, max_turns: 5 }),
    );
    expect(status).toBe(200);
    expect(made).toMatchObject({
      model_name: "scripted",
      tool_parser: "hermes",
      track_tree: true,
      budgets: { max_turns: 5 },
    });
    expect(made.base_url).toBe(`${proxy.url}/${made.uuid}/v1`);
    expect(Math.abs(Number(made.created_at) * 1000 - Date.now())).toBeLessThan(60_000);
    const chat = `/${made.uuid}/v1/chat/completions`;
    const answer = { role: "assistant", content: "Hi." };
    expect(await json(chat, posted({ messages }))).toMatchObject([
      200,
      { object: "chat.completion", choices: [{ message: answer }] },
    ]);
    await json(chat, posted({ messages: [...messages, answer, { role: "user", content: "More" }] }));
    const [, { nodes }] = await json(`/${made.uuid}/nodes`);
    expect(nodes).toHaveLength(2); // with track_tree, one for each call
    expect((nodes as Json[])[0]).toMatchObject({
      full_text: expect.stringContaining("Hi."),
      metadata: { finish_reason: "stop" },
    });
    expect((await json(`/${made.uuid}/sequences`))[1]).toMatchObject({
      tokens: "exact",
      sequences: [{ finish_reason: "stop" }],
    });
    const [, listing] = await json("/sessions");
    expect(listing.sessions).toMatchObject([{ uuid: made.uuid, calls: 2 }]);
    expect(JSON.stringify(listing)).not.toContain(String(made.api_key));
    expect(await json("/health")).toMatchObject([200, { status: "ok" }]);
    expect(await json("/v1/models")).toMatchObject([200, { data: [{ id: "scripted" }] }]);
    expect(await json(`/${made.uuid}`, { method: "DELETE" })).toMatchObject([200, { uuid: made.uuid }]);
    expect(await json(chat, posted({ messages }))).toMatchObject([404, { error: { code: "session_not_found" } }]);
  });

  it("are refused with words where their request makes no sense", async () => {
    proxy = await proxyOf(await scriptedModel("Hi."));
    const refused = async (body: unknown) => {
      const [status, { error }] = await json("/sessions/create", posted(body));
      return [status, (error as { message: string }).message];
    };
    expect(await refused({ tool_parser: "hermse" })).toMatchObject([400, expect.stringContaining("hermes")]);
    expect(await refused({ max_turn: 3 })).toMatchObject([400, expect.stringContaining("max_turns")]);
    expect(await refused({ budgets: { token_budget: "many" } })).toMatchObject([
      400,
      expect.stringContaining("token_budget"),
    ]);
    expect(await refused({ base_url: "http://127.0.0.1:1/v1" })).toMatchObject([
      400,
      expect.stringContaining("base_url"),
    ]);
    const [status, body] = await json("/sessions/create", { ...posted({}), body: "{" });
    expect([status, body]).toMatchObject([400, { error: { type: "invalid_request_error" } }]);
    expect(await json("/nothing/here")).toMatchObject([404, { error: { code: "not_found" } }]);
  });

  it("take over the servers of /setup, and are tied to one by base_url", async () => {
    proxy = await startProxy({
      servers: { server_type: "openai", base_url: "http://u:p@127.0.0.1:9/v1", model_name: "a" },
    });
    expect((await json("/servers"))[1]).toMatchObject({
      servers: [{ base_url: "http://127.0.0.1:9/v1", model_name: "a" }],
    });
    const servers = [{ server_type: "openai", base_url: "http://127.0.0.1:10/v1", model_name: "b" }];
    expect(await json("/setup", posted({ servers }))).toMatchObject([200, { model_name: "b" }]);
    const [, tied] = await json("/sessions/create", posted({ base_url: "http://127.0.0.1:10/v1" }));
    expect(tied).toMatchObject({ model_name: "b", server_base_url: "http://127.0.0.1:10/v1" });
    expect((await json("/sessions/create", posted({ base_url: "http://127.0.0.1:9/v1" })))[0]).toBe(400);
    expect((await json("/setup", posted({ servers: [{ server_type: "nonsense" }] })))[0]).toBe(400);
  });
});

describe("keys", () => {
  it("of another session never work; none is needed on loopback", async () => {
    proxy = await proxyOf(await scriptedModel("Hi."));
    const [mine, other] = [await clientOf(proxy), await clientOf(proxy)];
    const statuses = async (...headers: Record<string, string>[]) =>
      Promise.all(
        headers.map(async (each) => (await json(`/${mine.uuid}/v1/chat/completions`, posted({ messages }, each)))[0]),
      );
    expect(await statuses({}, { authorization: "Bearer whatever" })).toEqual([200, 200]);
    expect(await statuses({ "x-api-key": mine.api_key }, { authorization: `Bearer ${mine.api_key}` })).toEqual([
      200, 200,
    ]);
    expect(await statuses({ "x-api-key": other.api_key }, { authorization: `Bearer ${other.api_key}` })).toEqual([
      401, 401,
    ]);
    expect(await statuses({ origin: "https://example.org" })).toEqual([401]); // a page in a browser is no local caller
    expect((await json("/sessions", { headers: { origin: "https://example.org" } }))[0]).toBe(401);
    const inAnthropic = await json(`/${mine.uuid}/v1/messages`, posted({ messages }, { "x-api-key": other.api_key }));
    expect(inAnthropic).toMatchObject([401, { type: "error", error: { type: "authentication_error" } }]);
  });

  it("are needed off loopback, for every route of a session", async () => {
    const model = await scriptedModel("Hi.");
    proxy = await proxyOf(model, { host: "0.0.0.0", adminKey: "admin-secret" });
    const local = new URL(proxy.url!);
    local.hostname = "127.0.0.1";
    const ask = (path: string, init: RequestInit = {}) =>
      fetch(new URL(path, local), init).then(({ status }) => status);
    expect(await ask("/sessions/create", posted({}))).toBe(401);
    expect(await ask("/sessions/create", posted({}, { authorization: "Bearer admin-secret" }))).toBe(200);
    const { uuid, api_key } = await proxy.createSession();
    const routes = ["chat/completions", "chat/completions/render", "responses", "messages", "messages/count_tokens"];
    for (const path of routes.map((route) => `/${uuid}/v1/${route}`))
      expect(await ask(path, posted({ messages }))).toBe(401);
    for (const path of [`/${uuid}/nodes`, `/${uuid}/sequences`, `/${uuid}/v1/models`])
      expect(await ask(path)).toBe(401);
    expect(await ask(`/${uuid}`, { method: "DELETE" })).toBe(401);
    expect(await ask(`/${uuid}/v1/chat/completions`, posted({ messages }, { "x-api-key": api_key }))).toBe(200);
    expect(model.requests).toHaveLength(1);
  });

  it("are needed on a unix socket, which makes and lists no sessions", async () => {
    proxy = await proxyOf(await scriptedModel("Hi."), { port: null, socket: true });
    expect(proxy.url).toBeNull();
    const { uuid, api_key } = await proxy.createSession();
    const ask = (method: string, path: string, headers: Record<string, string> = {}, body = "") =>
      new Promise<number | undefined>((resolve, reject) => {
        const sent = httpRequest({ socketPath: proxy.socketPath!, method, path, headers }, (response) => {
          response.resume();
          resolve(response.statusCode);
        });
        sent.on("error", reject);
        sent.end(body);
      });
    const head = { "content-type": "application/json" };
    const body = JSON.stringify({ messages });
    expect(await ask("POST", "/sessions/create", head, "{}")).toBe(404);
    expect(await ask("GET", "/sessions")).toBe(404);
    expect(await ask("POST", `/${uuid}/v1/chat/completions`, head, body)).toBe(401);
    expect(await ask("POST", `/${uuid}/v1/chat/completions`, { ...head, "x-api-key": api_key }, body)).toBe(200);
  });
});

describe("repeated requests", () => {
  it("with the same body in flight are one call, in every connection", async () => {
    const model = await scriptedModel();
    const { opened, open } = gate();
    model.answers.push(() => opened.then(() => "Hi."));
    proxy = await proxyOf(model);
    const client = await clientOf(proxy);
    const arrived = vi.spyOn(client.session.retries, "enter");
    const both = [client.ask("chat/completions", { messages }), client.ask("chat/completions", { messages })];
    await until(() => arrived.mock.calls.length === 2);
    open();
    const [first, second] = await Promise.all(both);
    expect(second).toEqual(first);
    expect([model.requests.length, client.session.calls.length]).toEqual([1, 1]);
  });

  it("after a cut connection get the answer that is being made", async () => {
    const model = await scriptedModel();
    proxy = await proxyOf(model);
    const client = await clientOf(proxy);
    for (const stream of [false, true]) {
      const { opened, open } = gate();
      model.answers.push(() => opened.then(() => (stream ? "Another." : "Hi.")));
      if (stream) model.answers.shift();
      const body = { messages: [...messages, { role: "user", content: `stream: ${stream}` }], stream };
      const cut = new AbortController();
      const given = client.post("chat/completions", body, {}, cut.signal).then((response) => response.text());
      await until(() => model.requests.length === (stream ? 2 : 1));
      cut.abort();
      await expect(given).rejects.toThrow();
      const again = client.post("chat/completions", body, { "x-stainless-retry-count": "1" });
      open();
      expect(await (await again).text()).toContain(stream ? "Another." : "Hi.");
    }
    expect(model.requests).toHaveLength(2);
    expect(client.session.sequences().drift!.calls).toBe(2);
  });

  it("after an answer that was cut on its way get it whole", async () => {
    const model = await scriptedModel("long ".repeat(4_000), "Another.");
    proxy = await proxyOf(model);
    const client = await clientOf(proxy);
    const body = JSON.stringify({ messages, max_tokens: 100_000, n: 100 });
    const { port } = new URL(proxy.url!);
    const socket = connect(Number(port), "127.0.0.1");
    const head = `POST /${client.uuid}/v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n`;
    socket.write(`${head}content-length: ${body.length}\r\n\r\n${body}`);
    await new Promise((resolve) => socket.once("readable", resolve));
    socket.destroy(); // most of the answer was never read
    const whole = await client.ask("chat/completions", { messages, max_tokens: 100_000, n: 100 });
    expect(JSON.stringify(whole).length).toBeGreaterThan(1_900_000);
    expect(model.requests).toHaveLength(1);
  });

  it("marked as retries, or with the same idempotency key, get the answer again; unmarked ones are new calls", async () => {
    const model = await scriptedModel("One.", "Two.");
    proxy = await proxyOf(model);
    const client = await clientOf(proxy);
    const said = async (headers: Record<string, string> = {}) =>
      JSON.stringify(await client.ask("chat/completions", { messages }, headers));
    const first = await said({ "idempotency-key": "k1" });
    expect(await said({ "x-stainless-retry-count": "1" })).toBe(first);
    expect(await said({ "idempotency-key": "k1" })).toBe(first);
    expect(client.session.calls).toHaveLength(1);
    expect(await said({ "x-stainless-retry-count": "0" })).toContain("Two.");
    expect(client.session.sequences().drift).toMatchObject({ calls: 2, branches: { start: 1 } });
  });

  it("after a failure are made again, and failures count as no turn", async () => {
    const model = await scriptedModel();
    model.answers.push(
      () => Promise.reject(new Error("broken")),
      () => "Hi.",
    );
    proxy = await proxyOf(model);
    const client = await clientOf(proxy, { budgets: { max_turns: 1 } });
    const failed = await client.post("chat/completions", { messages });
    expect([failed.status, await failed.json()]).toMatchObject([500, { error: { type: "server_error" } }]);
    expect(client.session.lastError).not.toBeNull();
    expect((await client.post("chat/completions", { messages })).status).toBe(200);
    expect(client.session.lastError).toBeNull();
  });
});

describe("budgets", () => {
  it("cut the answer that goes beyond them, then refuse for good", async () => {
    const model = await scriptedModel("one two three four five six seven eight nine ten");
    proxy = await proxyOf(model);
    const prompt = model.tokenizer.encode(
      model.tokenizer.renderChat(messages as never, { addGenerationPrompt: true }),
    ).length;
    const client = await clientOf(proxy, { budgets: { token_budget: prompt + 5 } });
    const answer = await client.ask("chat/completions", { messages });
    expect(answer).toMatchObject({ choices: [{ finish_reason: "length" }], usage: { completion_tokens: 5 } });
    expect(client.session.budgetEnded).toBe("token_budget");
    const refused = await client.post("chat/completions", { messages: [...messages, ...messages] });
    expect([refused.status, refused.headers.get("x-should-retry")]).toEqual([400, "false"]);
    expect(await refused.json()).toMatchObject({ error: { code: "token_budget" } });
    expect(model.requests).toHaveLength(1);
  });

  it("are never exceeded by calls side by side", async () => {
    const model = await scriptedModel();
    const { opened, open } = gate();
    model.answers.push(() => opened.then(() => "one two three four five six seven eight nine ten"));
    proxy = await proxyOf(model);
    const client = await clientOf(proxy, { budgets: { token_budget: 120, max_turns: 50 } });
    const calls = Array.from({ length: 12 }, (_, at) =>
      client.post("chat/completions", { messages: [{ role: "user", content: `Number ${at}` }], max_tokens: 30 }),
    );
    await until(() => model.requests.length > 0);
    open();
    const statuses = (await Promise.all(calls)).map(({ status }) => status);
    expect(statuses).toContain(200);
    expect(statuses).toContain(400);
    expect(client.session.usage.total_tokens).toBeLessThanOrEqual(120);
  });

  it("limit turns, the length of one answer, and time", async () => {
    const model = await scriptedModel("one two three four five six seven eight");
    proxy = await proxyOf(model);
    const turns = await clientOf(proxy, { budgets: { max_turns: 1, max_tokens: 3 } });
    expect(await turns.ask("messages", { max_tokens: 500, messages })).toMatchObject({
      stop_reason: "max_tokens",
      usage: { output_tokens: 3 },
    });
    const refused = await turns.post("messages", { max_tokens: 500, messages: [{ role: "user", content: "again" }] });
    expect([refused.status, await refused.json()]).toMatchObject([
      400,
      { type: "error", error: { code: "max_turns" } },
    ]);
    model.answers.length = 0;
    model.answers.push(
      (_prompt, { signal }) =>
        new Promise((_, reject) => signal!.addEventListener("abort", () => reject(signal!.reason))),
    );
    const timed = await clientOf(proxy, { budgets: { time_budget_s: 0.1 } });
    const late = await timed.post("chat/completions", { messages });
    expect([late.status, await late.json()]).toMatchObject([400, { error: { code: "time_budget" } }]);
  });
});

describe("streams", () => {
  it("are held open while the model thinks, and end with an error event when it fails then", async () => {
    const model = await scriptedModel();
    const { opened, open } = gate();
    model.answers.push(
      () => opened.then(() => "Hi."),
      () => opened.then(() => Promise.reject(new Error("broken"))),
    );
    proxy = await proxyOf(model, { pingMs: 20 });
    const client = await clientOf(proxy);
    const good = await client.post("messages", { max_tokens: 9, messages, stream: true });
    const bad = await client.post("chat/completions", { messages, stream: true });
    expect([good.status, good.headers.get("content-type")]).toEqual([200, "text/event-stream; charset=utf-8"]);
    open();
    const text = await good.text();
    expect(text).toContain("event: ping");
    expect(text).toContain('"Hi."');
    const failed = await bad.text();
    expect(failed).toContain(": waiting");
    expect(JSON.parse(eventsOf(failed).at(-1)!.data)).toMatchObject({ error: { type: "server_error" } });
  });

  it("that fail before they begin are ordinary errors", async () => {
    const model = await scriptedModel();
    model.answers.push(() => Promise.reject(new Error("broken")));
    proxy = await proxyOf(model);
    const client = await clientOf(proxy);
    const failed = await client.post("responses", { input: "Hello", stream: true });
    expect([failed.status, await failed.json()]).toMatchObject([500, { error: { type: "server_error" } }]);
  });
});

describe("servers that give no tokens", () => {
  it("are passed through, and what is captured is marked as rendered", async () => {
    const { tokenizer } = await scriptedModel("");
    const asked: unknown[] = [];
    const chatServer: ChatServer = {
      async chatCompletion(request) {
        asked.push(request.messages);
        const content = '<tool_call>\n{"name": "f", "arguments": {}}\n</tool_call>';
        const choice = { index: 0, message: { role: "assistant" as const, content }, finish_reason: "stop" };
        return { id: "c1", model: "m", choices: [choice], usage: noUsage(), latencyMs: 1, attempts: 1, server: 0 };
      },
    };
    proxy = await startProxy({ chatServer, tokenizer, model: "m" });
    const client = await clientOf(proxy);
    const image = { type: "image_url", image_url: { url: "data:," } };
    const tools = [{ type: "function", function: { name: "f" } }];
    const answer = await client.ask("chat/completions", { messages: [{ role: "developer", content: [image] }], tools });
    expect(asked).toEqual([[{ role: "developer", content: [image] }]]);
    expect(answer).toMatchObject({
      choices: [{ finish_reason: "tool_calls", message: { tool_calls: [{ function: { name: "f" } }] } }],
    });
    await client.ask("chat/completions", { messages });
    expect(client.session.sequences()).toMatchObject({ tokens: "rendered", sequences: [{ inference_logprobs: null }] });
    expect(client.session.nodes()).toEqual([]);
  });
});
