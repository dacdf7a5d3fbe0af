/**
 * Outbound network through a user-mode stack (slirp4netns) that attaches to the sandbox's network namespace from outside. Routes that refuse private addresses were set before by the helper, and commands can't change them.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { join } from "node:path";
import { errorMessage, isErrno, LachesisError } from "../../core/index.ts";
import type { HelperConnection } from "./connection.ts";

/** The name server inside a user-mode network. */
export const RESOLVER = "10.0.2.3";

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
export function networkProgram(): string {
  const path = find("slirp4netns");
  if (path) return path;
  throw new LachesisError(
    "missing_dependency",
    'A sandbox with network needs slirp4netns, which is not installed. Install it ("apt-get install slirp4netns"), or set allow_network to false.',
  );
}

/** Starts the stack and waits until it is up. It ends with the sandbox, or with this process. */
export async function attachNetwork(path: string, connection: HelperConnection): Promise<void> {
  const child = startSlirp(path, connection.launcherPid);
  void connection.closed.then(() => child.kill("SIGKILL"));
  let text = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    if (text.length < 2000) text += chunk.toString();
  });
  let timer: NodeJS.Timeout | undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      const fail = (why: string) =>
        reject(
          new LachesisError(
            "sandbox_create",
            `The network of the sandbox could not be made: slirp4netns ${why} ${text.trim()}`.trim(),
          ),
        );
      timer = setTimeout(() => fail("did not get ready in 10 s."), 10_000);
      child.once("error", (error) => fail(errorMessage(error)));
      child.once("exit", (code) => fail(`ended with code ${code}.`));
      child.stdio[3]?.once("data", () => resolve());
    });
  } catch (error) {
    child.kill("SIGKILL");
    throw error;
  } finally {
    clearTimeout(timer);
  }
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
      `--userns-path=/proc/${pid}/fd/0`,
      "--netns-type=path",
      `/proc/${pid}/fd/1`,
      "tap0",
    ],
    { stdio: ["ignore", "ignore", "pipe", "pipe", "pipe"], env: {}, detached: true },
  );
}
