/** allow_network: nothing of the host can be reached through it; without its program the error says what to install. */
import { accessSync, constants } from "node:fs";
import { createServer } from "node:net";
import { networkInterfaces } from "node:os";
import { expect, it } from "vitest";
import { createSandbox } from "../index.ts";
import { networkProgram } from "./network.ts";

function usable(): boolean {
  try {
    networkProgram();
    accessSync("/dev/net/tun", constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

it("says what to install", async () => {
  const before = process.env.PATH;
  process.env.PATH = "/nowhere";
  try {
    await expect(createSandbox({ allow_network: true })).rejects.toMatchObject({
      code: "missing_dependency",
      message: expect.stringContaining("apt-get install slirp4netns"),
    });
  } finally {
    process.env.PATH = before;
  }
});

it.runIf(usable())("has a way out but none to the host's and private addresses", async () => {
  const server = createServer((socket) => socket.end("host service"));
  await new Promise<void>((resolve) => server.listen(0, "0.0.0.0", resolve));
  const address = server.address();
  const port = typeof address === "object" && address ? address.port : 0;
  const own = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter(({ internal, family }) => !internal && family === "IPv4")
    .map(({ address }) => address);
  const sandbox = await createSandbox({ require_sandbox: true, allow_network: true });
  try {
    const { stdout } = await sandbox.exec(
      `cat /proc/net/route /etc/resolv.conf; for a in 127.0.0.1 10.0.2.2 ${own.join(" ")} 192.168.0.1 172.16.0.1 169.254.169.254; do timeout 3 bash -c "cat < /dev/tcp/$a/${port}" 2>/dev/null && echo "reached $a"; done`,
      { timeoutMs: 60_000 },
    );
    expect(stdout).toContain("tap0");
    expect(stdout).toContain("nameserver 10.0.2.3");
    expect(stdout).not.toMatch(/reached|host service/);
    expect((await sandbox.exec("ip route del unreachable 10.0.0.0/8; ip link set lo down; echo $?")).stdout).not.toBe(
      "0\n",
    );
  } finally {
    await sandbox.destroy();
    server.close();
  }
});

it("shares the host's network only when that is named", async () => {
  const server = createServer((socket) => socket.end("host service"));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const sandbox = await createSandbox({ require_sandbox: true, allow_network: "host" });
  const { stdout } = await sandbox.exec(
    `cat < /dev/tcp/127.0.0.1/${typeof address === "object" && address ? address.port : 0}`,
    { timeoutMs: 20_000 },
  );
  expect(stdout).toBe("host service");
  await sandbox.destroy();
  server.close();
});
