/** Servers of the trajectory API as processes of their own, which are killed or halted at random moments and always come back. */
import { type ChildProcess, spawn } from "node:child_process";
import { createServer } from "node:net";
import { join } from "node:path";

const SERVER = join(import.meta.dirname, "../../src/cli/main.fixture.ts");
const CLOCK = join(import.meta.dirname, "jumping-clock.ts");
const REST_MS = 100;

export interface Servers {
  ports: number[];
  /** False where it is not running. */
  kill(place: number): boolean;
  /** For so many milliseconds it does nothing, with all that it holds. */
  halt(place: number, ms: number): Promise<void>;
  /** How many ended by themselves after they had begun to listen. */
  fallen(): number;
  stop(): Promise<void>;
}

export async function startServers(count: number, store: string): Promise<Servers> {
  const ports = await Promise.all(Array.from({ length: count }, freePort));
  const running: (ChildProcess | null)[] = [];
  const ended = new Set<Promise<void>>();
  let over = false;
  let fallen = 0;

  function start(place: number): void {
    const args = ["--import", CLOCK, SERVER, "api", "--port", String(ports[place]), "--store", store];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "ignore"] });
    running[place] = child;
    let listens = false;
    child.stdout.on("data", () => {
      listens = true;
    });
    const end = new Promise<void>((resolve) => {
      child.once("exit", (_, signal) => {
        if (listens && signal !== "SIGKILL") fallen++;
        ended.delete(end);
        running[place] = null;
        // Also one that could not start: its disk was full.
        if (!over) setTimeout(() => !over && start(place), REST_MS);
        resolve();
      });
    });
    ended.add(end);
  }

  ports.forEach((_, place) => {
    start(place);
  });
  return {
    ports,
    kill: (place) => running[place]?.kill("SIGKILL") ?? false,
    async halt(place, ms) {
      const child = running[place];
      child?.kill("SIGSTOP");
      await new Promise((resolve) => setTimeout(resolve, ms));
      child?.kill("SIGCONT");
    },
    fallen: () => fallen,
    async stop() {
      over = true;
      for (const child of running) child?.kill("SIGKILL");
      await Promise.all(ended);
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
