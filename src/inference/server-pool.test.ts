/** Many requests, several servers: slots, fairness, limits that adapt, and servers that die and come back. Real HTTP. */
import { afterEach, describe, expect, test } from "vitest";
import { type OpenAIServer, refuses, type Script, says, startOpenAIServer } from "../../tests/support/openai-server.ts";
import type { ServerConfigInput } from "./server-config.ts";
import { ServerManager, type ServerManagerOptions } from "./server-manager.ts";

const servers: OpenAIServer[] = [];
const managers: ServerManager[] = [];

async function start(script: Script): Promise<OpenAIServer> {
  const server = await startOpenAIServer(script);
  servers.push(server);
  return server;
}

function manage(
  pool: OpenAIServer[],
  config: ServerConfigInput = {},
  options: ServerManagerOptions = {},
): ServerManager {
  const manager = new ServerManager(
    pool.map((server) => ({ base_url: server.baseUrl, timeout: 20, ...config })),
    { env: {}, retry: { baseMs: 10, maxMs: 50 }, health: { probeIntervalMs: 40, graceMs: 5_000 }, ...options },
  );
  managers.push(manager);
  return manager;
}

const messages = [{ role: "user" as const, content: "Hi" }];
const asks = (manager: ServerManager, count: number, more: { split?: "eval"; n?: number; seed?: number } = {}) =>
  Promise.all(Array.from({ length: count }, () => manager.chatCompletion({ messages, ...more })));

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 2000 && !condition(); i++) await new Promise((resolve) => setTimeout(resolve, 5));
  expect(condition()).toBe(true);
}

afterEach(async () => {
  await Promise.all(managers.splice(0).map((manager) => manager.close()));
  await Promise.all(servers.splice(0).map((server) => server.stop().catch(() => undefined)));
});

describe("slots", () => {
  test("training and evaluation have their own, and weights shrink them", async () => {
    const server = await start(() => says("ok", { delayMs: 30 }));
    const manager = manage([server], { num_max_requests_at_once: 8, num_requests_for_eval: 4, weight: 0.5 });
    await asks(manager, 20);
    expect(server.mostInFlight).toBe(4);
    const both = await start(() => says("ok", { delayMs: 60 }));
    const second = manage([both], { num_max_requests_at_once: 8, num_requests_for_eval: 4 });
    await Promise.all([asks(second, 20), asks(second, 20, { split: "eval" })]);
    expect(both.mostInFlight).toBe(12);
    second.setWeight(0.01);
    const before = both.requests.length;
    await asks(second, 3);
    expect(both.requests.length - before).toBe(3);
  });

  test("requests spread over servers by free slots", async () => {
    const pool = [await start(() => says("a", { delayMs: 50 })), await start(() => says("b", { delayMs: 50 }))];
    const manager = manage(pool, { num_max_requests_at_once: 10 });
    await asks(manager, 20);
    expect(pool.map((server) => server.requests.length)).toEqual([10, 10]);
    expect(pool.map((server) => server.mostInFlight)).toEqual([10, 10]);
  });

  test("a slow server gets less of the work", async () => {
    const pool = [await start(() => says("slow", { delayMs: 300 })), await start(() => says("fast", { delayMs: 5 }))];
    await asks(manage(pool, { num_max_requests_at_once: 4 }), 60);
    expect(pool[1]!.requests.length).toBeGreaterThan(pool[0]!.requests.length * 2);
  });

  test("those who wait go first come, first served", async () => {
    const server = await start(() => says("ok"));
    const manager = manage([server], { num_max_requests_at_once: 1 });
    const order: number[] = [];
    await Promise.all(
      Array.from({ length: 10 }, async (_, place) => {
        await manager.chatCompletion({ messages: [{ role: "user", content: String(place) }] });
        order.push(place);
      }),
    );
    expect(order).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });
});

describe("limits", () => {
  test("a server that takes 5 at once gets no more, and every request succeeds", async () => {
    const server = await start(({ index }) =>
      server.inFlight > 5 ? refuses(index % 2 ? 429 : 503, "too many") : says("ok", { delayMs: 20 }),
    );
    const manager = manage([server], { num_max_requests_at_once: 64 });
    const answers = await asks(manager, 200);
    expect(answers).toHaveLength(200);
    const { changes } = manager.limitHistory()[0]!;
    expect(Math.min(...changes.map((change) => change.limit))).toBeLessThanOrEqual(70);
    expect(changes.map((change) => change.reason)).toContain("refused");
    expect(manager.metrics()["server/server_0_failures_rate_limited"]).toBeGreaterThan(0);
    // It recovers when the server takes everything again.
    server.script = () => says("ok");
    const low = manager.servers[0]!.limit.limit;
    await asks(manager, 400);
    expect(manager.servers[0]!.limit.limit).toBeGreaterThan(low);
  });

  test("two refusals in a row with Retry-After hold back everyone", async () => {
    let refusing = true;
    const server = await start(() =>
      refusing ? refuses(429, "wait", { headers: { "retry-after-ms": "300" } }) : says("ok"),
    );
    const manager = manage([server]);
    const first = asks(manager, 2);
    await until(() => server.requests.length === 2);
    refusing = false;
    const started = performance.now();
    const late = manager.chatCompletion({ messages });
    await Promise.all([first, late]);
    expect(performance.now() - started).toBeGreaterThan(200);
    expect((await late).attempts).toBe(1);
  });

  test("a refusal by one server goes to the other at once", async () => {
    const pool = [
      await start(() => refuses(429, "wait", { headers: { "retry-after": "30" } })),
      await start(() => says("ok", { delayMs: 5 })),
    ];
    const answers = await asks(manage(pool, { num_max_requests_at_once: 4 }), 30);
    expect(answers.every((answer) => answer.server === 1)).toBe(true);
  });
});

describe("several choices", () => {
  test("n is split by the most that one call may ask for, with different seeds", async () => {
    const server = await start(() => says("x"));
    const manager = manage([server], {}, { maxNCompletions: 8 });
    const [answer] = await asks(manager, 1, { n: 19, seed: 4 });
    expect(answer?.choices.map((choice) => choice.index)).toEqual(Array.from({ length: 19 }, (_, index) => index));
    expect(server.requests.map((request) => request.body.n)).toEqual([8, 8, 3]);
    expect(new Set(server.requests.map((request) => request.body.seed)).size).toBe(3);
    expect(answer?.usage.completion_tokens).toBe(15);
    expect(answer?.attempts).toBe(3);
  });

  test("a server that ignores n is remembered", async () => {
    const server = await start(() => says("x", { count: 1 }));
    const manager = manage([server]);
    expect((await asks(manager, 1, { n: 3 }))[0]?.choices).toHaveLength(3);
    const calls = server.requests.length;
    expect((await asks(manager, 1, { n: 3 }))[0]?.choices).toHaveLength(3);
    expect(server.requests.length - calls).toBe(3);
    expect(server.requests.at(-1)?.body.n).toBeUndefined();
  });

  test("a server that gives some, or too many", async () => {
    const server = await start(() => says("x", { count: 2 }));
    const manager = manage([server]);
    expect((await asks(manager, 1, { n: 5 }))[0]?.choices).toHaveLength(5);
    server.script = () => says("x", { count: 9 });
    expect((await asks(manager, 1, { n: 5 }))[0]?.choices).toHaveLength(5);
  });
});

describe("health", () => {
  test("a server that dies is left aside and comes back", async () => {
    const pool = [await start(() => says("a")), await start(() => says("b"))];
    const manager = manage(pool, { num_max_requests_at_once: 2 });
    await pool[0]!.stop();
    const answers = await asks(manager, 40);
    expect(answers.every((answer) => answer.server === 1)).toBe(true);
    await until(() => manager.metrics()["server/server_0_healthy"] === 0);
    const before = pool[1]!.requests.length;
    await asks(manager, 10);
    expect(pool[1]!.requests.length - before).toBe(10);
    await pool[0]!.start();
    await until(() => manager.metrics()["server/server_0_healthy"] === 1);
    await asks(manager, 20);
    expect(pool[0]!.requests.length).toBeGreaterThan(0);
  });

  test("the only server restarts: nobody loses a request, and nothing paid is asked meanwhile", async () => {
    const server = await start(() => says("ok", { delayMs: 20 }));
    const manager = manage([server], { num_max_requests_at_once: 8 });
    const work = asks(manager, 60);
    await until(() => server.requests.length > 10);
    await server.stop();
    await until(() => manager.metrics()["server/server_0_healthy"] === 0);
    await new Promise((resolve) => setTimeout(resolve, 150));
    await server.start();
    expect(await work).toHaveLength(60);
    expect(server.probes.every((path) => path === "/v1/models")).toBe(true);
    expect(server.probes.length).toBeGreaterThan(0);
  });

  test("the only server is gone for good: requests fail in bounded time", async () => {
    const server = await start(() => says("ok"));
    const manager = manage(
      [server],
      {},
      { health: { probeIntervalMs: 20, graceMs: 100 }, retry: { baseMs: 5, maxMs: 10 } },
    );
    await server.stop();
    const settled = await Promise.allSettled(Array.from({ length: 30 }, () => manager.chatCompletion({ messages })));
    for (const outcome of settled)
      expect(outcome).toMatchObject({ status: "rejected", reason: { code: "connection" } });
    await expect(manager.chatCompletion({ messages })).rejects.toMatchObject({ code: "connection" });
    await server.start();
    await until(() => manager.metrics()["server/server_0_healthy"] === 1);
    expect((await manager.chatCompletion({ messages })).choices).toHaveLength(1);
  });

  test("without health checks a dead server is tried again after a while", async () => {
    const pool = [await start(() => says("a")), await start(() => says("b"))];
    const manager = manage(pool, { health_check: false, num_max_requests_at_once: 2 });
    await pool[0]!.stop();
    await asks(manager, 20);
    await pool[0]!.start();
    await until(() => manager.metrics()["server/server_0_healthy"] === 1);
    await asks(manager, 10);
    expect(pool[0]!.requests.length).toBeGreaterThan(0);
    expect(pool[0]!.probes).toEqual([]);
  });

  test("at the start: one living server is enough, none is an error that names it", async () => {
    const pool = [await start(() => says("a")), await start(() => says("b"))];
    await pool[0]!.stop();
    const manager = manage(pool);
    await manager.waitUntilHealthy({ timeoutMs: 2000 });
    expect((await asks(manager, 5)).every((answer) => answer.server === 1)).toBe(true);
    await pool[1]!.stop();
    const dead = manage(pool);
    await expect(dead.waitUntilHealthy({ timeoutMs: 100 })).rejects.toThrow(
      /No inference server answers.*127\.0\.0\.1/,
    );
  });

  test("a server that may not be asked for its models, or has no such route, lives", async () => {
    const server = await start(() => says("a"));
    for (const status of [401, 403, 404, 405, 500, 501]) {
      server.healthStatus = status;
      await manage([server]).waitUntilHealthy({ timeoutMs: 1000 });
    }
    server.healthStatus = 503;
    await expect(manage([server]).waitUntilHealthy({ timeoutMs: 50 })).rejects.toMatchObject({ code: "connection" });
  });
});

test("metrics have the names that dashboards know", async () => {
  const server = await start(() => says("ok"));
  const manager = manage([server], { rolling_buffer_length: 3 });
  await asks(manager, 5);
  await asks(manager, 2, { split: "eval" });
  const metrics = manager.metrics();
  for (const name of ["request_time_avg", "request_time_std", "request_time_99p", "average_num_attempts"]) {
    expect(metrics[`server/server_0_${name}`]).toBeTypeOf("number");
    expect(metrics[`server/server_0_eval_${name}`]).toBeTypeOf("number");
  }
  expect(metrics["server/server_0_average_num_attempts"]).toBe(1);
  expect(metrics["server/server_0_completion_tokens"]).toBe(35);
});

test("openai servers and token servers do not mix", () => {
  expect(() => new ServerManager([{ server_type: "openai" }, { server_type: "vllm" }])).toThrow(/cannot stand beside/);
  expect(() => new ServerManager([])).toThrow(/at least one/);
  expect(() => new ServerManager({ timeout: -1 })).toThrow(/openai\[0\]\.timeout/);
});
