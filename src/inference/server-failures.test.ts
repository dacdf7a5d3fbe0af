/** What happens to one request at a server that fails in each possible way; over real HTTP. */
import { afterEach, describe, expect, test } from "vitest";
import {
  CONTEXT_OVERFLOWS,
  inOrder,
  type OpenAIServer,
  type Reply,
  refuses,
  type Script,
  says,
  startOpenAIServer,
} from "../../tests/support/openai-server.ts";
import { LachesisError } from "../core/index.ts";
import { isFatalToRun } from "./http-errors.ts";
import type { ServerConfigInput } from "./server-config.ts";
import { ServerManager } from "./server-manager.ts";

const open: { server: OpenAIServer; manager: ServerManager }[] = [];

async function pair(script: Script, config: ServerConfigInput = {}) {
  const server = await startOpenAIServer(script);
  const manager = new ServerManager(
    { base_url: server.baseUrl, model_name: "test-model", timeout: 20, ...config },
    { retry: { baseMs: 5, maxMs: 20 }, health: { probeIntervalMs: 50, graceMs: 300 }, env: {} },
  );
  open.push({ server, manager });
  return { server, manager };
}

const ask = (manager: ServerManager, signal?: AbortSignal) =>
  manager.chatCompletion({ messages: [{ role: "user", content: "Hi" }], ...(signal ? { signal } : {}) });

async function failureOf(promise: Promise<unknown>): Promise<LachesisError> {
  const error = await promise.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof LachesisError)) throw new Error(`expected a LachesisError, got ${String(error)}`);
  return error;
}

afterEach(async () => {
  for (const { server, manager } of open.splice(0)) {
    await manager.close();
    await server.stop().catch(() => undefined);
  }
});

describe("a failure that may pass is repeated", () => {
  const passing: Record<string, { reply: Reply; code: string }> = {
    "429": { reply: refuses(429, "slow down"), code: "rate_limited" },
    "500": { reply: refuses(500, "oops"), code: "server_error" },
    "502 with HTML": { reply: { kind: "text", status: 502, body: "<html>Bad gateway</html>" }, code: "server_error" },
    "503": { reply: refuses(503, "overloaded"), code: "server_error" },
    "529": { reply: refuses(529, "overloaded"), code: "server_error" },
    "a reset connection": { reply: { kind: "cut" }, code: "connection" },
    "a connection cut in the body": { reply: { kind: "cut", inBody: true }, code: "connection" },
    "malformed JSON": { reply: { kind: "text", body: '{"choices": [{"mess' }, code: "malformed_response" },
    "JSON that is no object": { reply: { kind: "json", body: 17 }, code: "malformed_response" },
    "an empty body": { reply: { kind: "text", body: "" }, code: "malformed_response" },
    "empty choices": { reply: { kind: "json", body: { choices: [] } }, code: "empty_response" },
    "no choices": { reply: { kind: "json", body: {} }, code: "empty_response" },
    "a choice without a message": { reply: { kind: "json", body: { choices: [{}] } }, code: "malformed_response" },
    "content that is an object": { reply: says({ text: "no" }), code: "malformed_response" },
    "an error with status 200": {
      reply: { kind: "json", body: { error: { code: 502, message: "upstream died" } } },
      code: "server_error",
    },
    "a choice that failed": { reply: says("", { finish_reason: "error" }), code: "server_error" },
    "a stream that was cut": { reply: { kind: "stream", pieces: [], cut: true }, code: "connection" },
  };

  test.each(Object.entries(passing))("%s", async (_name, { reply }) => {
    const { server, manager } = await pair(inOrder(reply, reply, says("fine")));
    const answer = await ask(manager);
    expect(answer.choices[0]?.message.content).toBe("fine");
    expect(answer.attempts).toBe(3);
    expect(server.requests).toHaveLength(3);
  });

  test.each(Object.entries(passing))("%s, for ever: max_retries + 1 requests", async (_name, { reply, code }) => {
    const { server, manager } = await pair(() => reply, { max_retries: 2 });
    const error = await failureOf(ask(manager));
    expect(error.code).toBe(code);
    expect(error.retryable).toBe(true);
    expect(error.fault).toBe("server");
    expect(server.requests).toHaveLength(3);
    expect(manager.servers[0]?.inFlight).toBe(0);
  });

  test("a request may ask for fewer retries, never for more", async () => {
    const { server, manager } = await pair(() => refuses(500, "oops"), { max_retries: 1 });
    await failureOf(manager.chatCompletion({ messages: [], max_retries: 0 }));
    expect(server.requests).toHaveLength(1);
    await failureOf(manager.chatCompletion({ messages: [], max_retries: 9 }));
    expect(server.requests).toHaveLength(3);
  });

  test("a stall is a time-out, before the headers and in the body", async () => {
    for (const afterHeaders of [false, true]) {
      const { server, manager } = await pair(inOrder({ kind: "stall", afterHeaders }, says("late")), { timeout: 0.15 });
      const answer = await ask(manager);
      expect(answer.choices[0]?.message.content).toBe("late");
      expect(server.requests).toHaveLength(2);
    }
    const { manager } = await pair(() => ({ kind: "stall" }), { timeout: 0.05, max_retries: 1 });
    expect((await failureOf(ask(manager))).code).toBe("timeout");
  });
});

describe("a failure that cannot pass is not repeated", () => {
  test.each(Object.entries(CONTEXT_OVERFLOWS))("context overflow in the words of %s", async (_name, reply) => {
    const { server, manager } = await pair(() => reply);
    const error = await failureOf(ask(manager));
    expect(error.code).toBe("context_overflow");
    expect(error.fault).toBe("model");
    expect(server.requests).toHaveLength(1);
  });

  test.each([
    ["401", refuses(401, "Incorrect API key provided"), "auth"],
    ["402", refuses(402, "Insufficient credits"), "auth"],
    ["403", refuses(403, "forbidden"), "auth"],
    ["429 without quota", refuses(429, "You exceeded your current quota", { code: "insufficient_quota" }), "auth"],
    ["404", refuses(404, "The model `x` does not exist.", { code: "model_not_found" }), "model_not_found"],
    ["400 unknown model", refuses(400, "foo/bar is not a valid model ID"), "model_not_found"],
    ["404 wrong address", { kind: "text", status: 404, body: "Not Found" } as Reply, "model_not_found"],
  ])("%s ends the run", async (_name, reply, code) => {
    const { server, manager } = await pair(() => reply);
    const error = await failureOf(ask(manager));
    expect(error.code).toBe(code);
    expect(isFatalToRun(error)).toBe(true);
    expect(error.message).toMatch(/--openai\.|credit/);
    expect(server.requests).toHaveLength(1);
  });

  test.each([
    ["400", refuses(400, "'temperature' must be below 2"), "bad_request"],
    ["422", { kind: "json", status: 422, body: { detail: [{ msg: "field required" }] } } as Reply, "bad_request"],
    ["a filtered prompt", refuses(400, "The response was filtered", { code: "content_filter" }), "content_filter"],
    ["moderation", refuses(403, "Your input was flagged by moderation"), "content_filter"],
  ])("%s does not end the run", async (_name, reply, code) => {
    const { server, manager } = await pair(() => reply);
    const error = await failureOf(ask(manager));
    expect(error.code).toBe(code);
    expect(isFatalToRun(error)).toBe(false);
    expect(server.requests).toHaveLength(1);
  });

  test("a limit on traffic that speaks of tokens is no context overflow", async () => {
    const { manager } = await pair(
      () => refuses(429, "Rate limit reached: too many tokens per minute (TPM): limit 6000, requested 9000"),
      { max_retries: 0 },
    );
    expect((await failureOf(ask(manager))).code).toBe("rate_limited");
  });

  test("a base_url that is no address", async () => {
    const manager = new ServerManager({ base_url: "localhost:8000" }, { env: {} });
    expect((await failureOf(ask(manager))).code).toBe("config_invalid");
    await manager.close();
  });
});

describe("secrets", () => {
  test("the key is sent, and an error that quotes it does not show it", async () => {
    const { server, manager } = await pair(() => refuses(401, "Incorrect API key provided: sk-secret-1234"), {
      api_key: "sk-secret-1234",
    });
    const error = await failureOf(ask(manager));
    expect(server.requests[0]?.headers.authorization).toBe("Bearer sk-secret-1234");
    expect(error.message).not.toContain("sk-secret");
    expect(JSON.stringify(error)).not.toContain("sk-secret");
  });

  test("a user and a password in the address are sent, and shown nowhere", async () => {
    const { server, manager } = await pair(() => refuses(500, "oops"), { max_retries: 0 });
    const address = server.baseUrl.replace("http://", "http://me:hidden-word@");
    const other = new ServerManager({ base_url: address, max_retries: 0 }, { env: {} });
    open.push({ server, manager: other });
    const error = await failureOf(ask(other));
    expect(server.requests[0]?.headers.authorization).toBe(`Basic ${Buffer.from("me:hidden-word").toString("base64")}`);
    expect(error.message).not.toContain("hidden-word");
    await manager.close();
  });

  test("a key from the environment goes to its own host only", async () => {
    const server = await startOpenAIServer(() => says("ok"));
    const manager = new ServerManager(
      { base_url: server.baseUrl },
      { env: { OPENAI_API_KEY: "sk-not-for-you", OPENROUTER_API_KEY: "or-not-for-you" } },
    );
    open.push({ server, manager });
    await ask(manager);
    expect(server.requests[0]?.headers.authorization).toBeUndefined();
  });
});

describe("waiting as asked", () => {
  test.each([
    ["retry-after-ms", "120"],
    ["retry-after", "0.12"],
  ])("%s is honoured", async (header, value) => {
    const { manager } = await pair(inOrder(refuses(429, "wait", { headers: { [header]: value } }), says("ok")));
    const started = performance.now();
    await ask(manager);
    // Never sooner than asked; how much later depends on the machine.
    expect(performance.now() - started).toBeGreaterThanOrEqual(118);
  });

  test("a wait without end is capped", async () => {
    const server = await startOpenAIServer(
      inOrder(refuses(429, "wait", { headers: { "retry-after": "86400" } }), says("ok")),
    );
    const manager = new ServerManager(
      { base_url: server.baseUrl },
      { retry: { baseMs: 1, retryAfterCapMs: 30 }, env: {} },
    );
    open.push({ server, manager });
    expect((await ask(manager)).attempts).toBe(2);
  });
});

describe("cancellation", () => {
  test("while the server stalls: the caller is answered, the slot is free, the connection is cut", async () => {
    const { server, manager } = await pair(() => ({ kind: "stall" }));
    const controller = new AbortController();
    const call = failureOf(ask(manager, controller.signal));
    while (server.inFlight === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    controller.abort();
    expect((await call).code).toBe("cancelled");
    expect(manager.servers[0]?.inFlight).toBe(0);
    while (server.inFlight > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(server.requests).toHaveLength(1);
  });

  test("while it waits to try again, and before it began", async () => {
    const { server, manager } = await pair(() => refuses(429, "wait", { headers: { "retry-after": "50" } }));
    const controller = new AbortController();
    const call = failureOf(ask(manager, controller.signal));
    while (server.requests.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    controller.abort(new LachesisError("timeout", "the rollout's time is over"));
    expect((await call).message).toBe("the rollout's time is over");
    expect((await failureOf(ask(manager, AbortSignal.abort()))).code).toBe("cancelled");
    expect(server.requests).toHaveLength(1);
  });

  test("while it waits for a slot", async () => {
    const { server, manager } = await pair(() => ({ kind: "stall" }), { num_max_requests_at_once: 1 });
    const first = new AbortController();
    const second = new AbortController();
    const calls = [failureOf(ask(manager, first.signal)), failureOf(ask(manager, second.signal))];
    while (server.inFlight === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    second.abort();
    expect((await calls[1])?.code).toBe("cancelled");
    expect(manager.metrics()["server/waiting"]).toBe(0);
    first.abort();
    expect((await calls[0])?.code).toBe("cancelled");
  });

  test("closing the manager ends what is in flight", async () => {
    const { server, manager } = await pair(() => ({ kind: "stall" }), { num_max_requests_at_once: 1 });
    const calls = [failureOf(ask(manager)), failureOf(ask(manager))];
    while (server.inFlight === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    await manager.close();
    expect((await Promise.all(calls)).map((error) => error.code)).toEqual(["cancelled", "cancelled"]);
  });
});
