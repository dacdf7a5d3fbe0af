/**
 * The programs that a demo is made of. Each has a process group of its own, so that Ctrl-C reaches the demo alone and it
 * stops them in order, those started last first; what is left after a few seconds is killed with everything it started.
 * They also end when the demo is killed and can stop nothing (end-with-parent.ts).
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createWriteStream, readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";

const GRACE_MS = 12_000;
const END_WITH_PARENT = new URL("./end-with-parent.ts", import.meta.url).href;

interface Child {
  name: string;
  process: ChildProcess;
  log: string;
  /** Its exit code, or the signal that killed it; null: it could not be started. */
  ended: Promise<number | string | null>;
}

export class ChildProcesses {
  readonly #logs: string;
  readonly #children: Child[] = [];
  /** Rejects when one ends that should run. */
  readonly #failed: Promise<never>;
  #fail: (error: Error) => void = () => {};
  #stop: Promise<void> | null = null;

  constructor(logs: string) {
    this.#logs = logs;
    this.#failed = new Promise((_, reject) => {
      this.#fail = reject;
    });
    // Whoever waits for something hears of it.
    this.#failed.catch(() => {});
    process.on("exit", () => this.kill());
  }

  get stopping(): boolean {
    return this.#stop !== null;
  }

  /**
   * A program that others need. With `listens` it runs until it is stopped, and this settles with the address of its first
   * line; without, this settles at once, and the program may end when its work is done.
   */
  async start(name: string, args: string[], { listens = false } = {}): Promise<string> {
    const lines = Promise.withResolvers<string>();
    const child = this.#spawn(name, args, lines.resolve);
    void child.ended.then((code) => {
      if (!this.stopping && (listens || code !== 0))
        this.#fail(new Error(`${name} ended with ${code}:\n${tailOf(child.log)}`));
    });
    if (!listens) return "";
    const first = await Promise.race([lines.promise, this.#failed]);
    return (JSON.parse(first) as { listening: string }).listening;
  }

  /** A program with an end: settles when it has done its work. */
  async run(name: string, args: string[], onLine: (line: string) => void): Promise<void> {
    const child = this.#spawn(name, args, onLine);
    const code = await Promise.race([child.ended, this.#failed]);
    if (code !== 0) throw new Error(`${name} ended with ${code}:\n${tailOf(child.log)}`);
  }

  /** Ends all in order; settles when none is left. */
  stop(): Promise<void> {
    this.#stop ??= (async () => {
      for (const child of this.#children.toReversed()) {
        signal(child, "SIGTERM");
        const late = setTimeout(() => signal(child, "SIGKILL"), GRACE_MS);
        await child.ended;
        clearTimeout(late);
      }
    })();
    return this.#stop;
  }

  /** At once, with everything that they started. */
  kill(): void {
    for (const child of this.#children) signal(child, "SIGKILL");
  }

  #spawn(name: string, args: string[], onLine: (line: string) => void): Child {
    const log = join(this.#logs, `${name}.log`);
    const child = spawn(process.execPath, ["--import", END_WITH_PARENT, ...args], {
      // Nothing is ever written to standard input; it ends with this process.
      stdio: ["pipe", "pipe", "pipe"],
      detached: true,
    });
    child.stdin.on("error", () => child.stdin.destroy());
    const file = createWriteStream(log, { flags: "a" });
    child.stderr.pipe(file, { end: false });
    createInterface({ input: child.stdout }).on("line", (line) => {
      file.write(`${line}\n`);
      onLine(line);
    });
    const ended = new Promise<number | string | null>((resolve) => {
      child.once("error", (error) => {
        file.write(`${String(error)}\n`);
        resolve(null);
      });
      child.once("close", (code, killed) => resolve(code ?? killed));
    });
    void ended.then(() => file.end());
    const made = { name, process: child, log, ended };
    this.#children.push(made);
    return made;
  }
}

/** To the whole group; one that has ended needs none. */
function signal({ process: child }: Child, name: NodeJS.Signals): void {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  try {
    process.kill(-child.pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

function tailOf(log: string): string {
  return readFileSync(log, "utf8").trimEnd().split("\n").slice(-15).join("\n");
}
