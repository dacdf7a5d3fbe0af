/** An environment with an outbox as a process of its own, which is killed and started again until everything was sent. */
import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";

const SENDER = join(import.meta.dirname, "../../src/trajectory/client/outbox-sender.fixture.ts");

export class OutboxEnvironment {
  readonly #folder: string;
  readonly #url: string;
  readonly #groups: number;
  #child: ChildProcess | null = null;
  #over = false;
  #ended: Promise<void> = Promise.resolve();
  #done: () => void = () => {};
  /** Settles when everything was sent. */
  readonly done: Promise<void>;

  constructor(folder: string, url: string, groups: number) {
    this.#folder = folder;
    this.#url = url;
    this.#groups = groups;
    this.done = new Promise((resolve) => {
      this.#done = resolve;
    });
  }

  start(): void {
    const args = [SENDER, this.#folder, this.#url, String(this.#groups)];
    const child = spawn(process.execPath, args, { stdio: "ignore" });
    this.#child = child;
    this.#ended = new Promise((resolve) => {
      child.once("exit", (code) => {
        this.#child = null;
        resolve();
        const isDone = code === 0 && readdirSync(join(this.#folder, "pending")).length === 0;
        if (isDone) this.#done();
        else if (!this.#over) this.start();
      });
    });
  }

  /** False where it is not running. */
  kill(): boolean {
    return this.#child?.kill("SIGKILL") ?? false;
  }

  async stop(): Promise<void> {
    this.#over = true;
    this.kill();
    await this.#ended;
  }
}
