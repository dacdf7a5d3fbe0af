/** Which way requests go: a proxy from the environment, never for loopback; connections are used again. Real sockets. */
import { createServer, request as httpRequest, type Server } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { afterEach, expect, test } from "vitest";
import { type OpenAIServer, says, startOpenAIServer } from "../../tests/support/openai-server.ts";
import { ServerManager } from "./server-manager.ts";

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function model(): Promise<OpenAIServer> {
  const server = await startOpenAIServer(() => says("ok"));
  closing.push(() => server.stop());
  return server;
}

/** A proxy that sends everything to one port and remembers what it was asked for. */
async function proxyTo(port: number): Promise<{ url: string; asked: string[] }> {
  const asked: string[] = [];
  const proxy: Server = createServer();
  proxy.on("connect", (request, socket, head) => {
    asked.push(request.url ?? "");
    const upstream = connect(port, "127.0.0.1", () => {
      socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
      upstream.write(head);
      upstream.pipe(socket).pipe(upstream);
    });
    for (const end of [socket, upstream]) end.on("error", () => upstream.destroy());
  });
  proxy.on("request", (request, response) => {
    const target = new URL(request.url ?? "");
    asked.push(target.host);
    const { method, headers } = request;
    const upstream = httpRequest({ port, host: "127.0.0.1", path: target.pathname, method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    upstream.on("error", () => response.destroy());
    request.pipe(upstream);
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  closing.push(
    () =>
      new Promise((resolve) => {
        proxy.close(resolve);
        proxy.closeAllConnections();
      }),
  );
  return { url: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`, asked };
}

function manage(baseUrl: string, env: NodeJS.ProcessEnv): ServerManager {
  const manager = new ServerManager({ base_url: baseUrl, max_retries: 0, timeout: 10 }, { env });
  closing.push(() => manager.close());
  return manager;
}

const ask = (manager: ServerManager) => manager.chatCompletion({ messages: [{ role: "user", content: "Hi" }] });

test("a proxy from the environment is used, and not for loopback", async () => {
  const server = await model();
  const port = Number(new URL(server.baseUrl).port);
  const proxy = await proxyTo(port);
  await ask(manage(`http://model.example:${port}/v1`, { HTTP_PROXY: proxy.url }));
  expect(proxy.asked).toEqual([`model.example:${port}`]);
  await ask(manage(server.baseUrl, { HTTP_PROXY: proxy.url }));
  await ask(manage(`http://localhost:${port}/v1`, { http_proxy: proxy.url })).catch(() => undefined);
  expect(proxy.asked).toHaveLength(1);
});

test("connections are used again, one for each request in flight", async () => {
  const server = await model();
  const ports = new Set<number | undefined>();
  const manager = manage(server.baseUrl, {});
  for (let i = 0; i < 20; i++) {
    await ask(manager);
    ports.add(server.requests.at(-1)?.port);
  }
  expect(ports.size).toBe(1);
  await Promise.all(Array.from({ length: 10 }, () => ask(manager)));
  expect(new Set(server.requests.map((request) => request.port)).size).toBeLessThanOrEqual(10);
});

test("a path and a query in the address are kept", async () => {
  const server = await model();
  await ask(manage(`${server.baseUrl.replace("/v1", "")}/openai/deployments/d?api-version=7`, {}));
  expect(server.requests[0]?.path).toBe("/openai/deployments/d/chat/completions?api-version=7");
});
