import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { expect, test } from "vitest";
import { ServerConfig } from "../inference/index.ts";
import { reachServers } from "./reach-servers.ts";
import { RunControl } from "./run-control.ts";

const at = (base_url: string) => ServerConfig.parse({ base_url });

test("a server that listens but never answers is reached; a name that does not exist is said at once", async () => {
  const silent = createServer();
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  const { port } = silent.address() as AddressInfo;
  await reachServers([at(`http://127.0.0.1:${port}/v1`), at("http://127.0.0.1:1/v1")], new RunControl());
  silent.close();
  await expect(reachServers([at("http://no-such-host.invalid/v1")], new RunControl())).rejects.toMatchObject({
    code: "connection",
    message: expect.stringContaining("no-such-host.invalid"),
  });
});

test("a server that is just starting is waited for", async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  const reached = reachServers([at(`http://127.0.0.1:${port}/v1`)], new RunControl());
  setTimeout(() => server.listen(port, "127.0.0.1"), 600);
  await reached;
  server.close();
});
