/**
 * Outbound network through a user-mode stack (slirp4netns or pasta) that attaches to the sandbox's network namespace
 * from outside. Routes that refuse private addresses were set before by the helper, and commands can't change them.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { join } from "node:path";
import { errorMessage, isErrno, LachesisError } from "../../core/index.ts";
import type { HelperConnection } from "./connection.ts";

/** The name server inside a user-mode network. */
export const RESOLVER = "10.0.2.3";

export interface NetworkProgram {
  kind: "slirp4netns" | "pasta";
  path: string;
}

function find(name: string): string | null {
  for (const directory of (process.env.PATH ?? "/usr/bin:/bin").split(":")) {
    if (!directory.startsWith("/")) continue;
    try {
      accessSync(join(directory, name), constants.X_OK);
      return join(directory, name);
    } catch (error) {
      if (!isErrno(error)) throw error;
    }
  }
  return null;
}

/** The installed program; throws `missing_dependency` with what to install. */
export function networkProgram(): NetworkProgram {
  const slirp = find("slirp4netns");
  if (slirp) return { kind: "slirp4netns", path: slirp };
  const pasta = find("pasta");
  if (pasta) return { kind: "pasta", path: pasta };
  throw new LachesisError(
    "missing_dependency",
    'A sandbox with network needs a user-mode network stack, and neither slirp4netns nor pasta is installed. Install one ("apt-get install slirp4netns" or "apt-get install passt"), or set allow_network to false.',
  );
}

/** Starts the stack and waits until it is up. It ends with the sandbox. */
export async function attachNetwork(program: NetworkProgram, connection: HelperConnection): Promise<void> {
  const pid = connection.hostPid;
  const child = program.kind === "slirp4netns" ? startSlirp(program.path, pid) : startPasta(program.path, pid);
  void connection.closed.then(() => child.kill("SIGKILL"));
  let text = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    if (text.length < 2000) text += chunk.toString();
  });
  await new Promise<void>((resolve, reject) => {
    const fail = (why: string) =>
      reject(
        new LachesisError(
          "sandbox_create",
          `The network of the sandbox could not be made: ${program.kind} ${why} ${text.trim()}`.trim(),
        ),
      );
    const timer = setTimeout(() => {
      child.kill("SIGKILL");
      fail("did not get ready in 10 s.");
    }, 10_000);
    child.once("error", (error) => fail(errorMessage(error)));
    child.once("exit", (code) => {
      clearTimeout(timer);
      fail(`ended with code ${code}.`);
    });
    const ready = child.stdio[3];
    ready?.once("data", () => {
      clearTimeout(timer);
      resolve();
    });
  });
  child.unref();
}

function startSlirp(path: string, pid: number): ChildProcess {
  // Descriptor 3 says when it is ready; descriptor 4 ends it when this process is gone.
  return spawn(
    path,
    [
      "--configure",
      "--mtu=65520",
      "--disable-host-loopback",
      "--ready-fd=3",
      "--exit-fd=4",
      `--userns-path=/proc/${pid}/ns/user`,
      "--netns-type=path",
      `/proc/${pid}/ns/net`,
      "tap0",
    ],
    { stdio: ["ignore", "ignore", "pipe", "pipe", "pipe"], env: {}, detached: true },
  );
}

function startPasta(path: string, pid: number): ChildProcess {
  const script = 'exec 3>&-; exec "$@"';
  void script;
  return spawn(
    path,
    [
      "--foreground",
      "--config-net",
      "--ipv4-only",
      "--address=10.0.2.100",
      "--netmask=24",
      "--gateway=10.0.2.2",
      `--dns-forward=${RESOLVER}`,
      "--no-map-gw",
      "--tcp-ports=none",
      "--udp-ports=none",
      "--tcp-ns=none",
      "--udp-ns=none",
      `--userns=/proc/${pid}/ns/user`,
      `--netns=/proc/${pid}/ns/net`,
    ],
    { stdio: ["ignore", "ignore", "pipe", "pipe"], env: {}, detached: true },
  );
}
