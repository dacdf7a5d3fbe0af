/**
 * The background processes of one rollout. A process belongs to the rollout that started it and is unknown to every
 * other; when the rollout ends, all of them are killed with everything that they started.
 */
import { randomBytes } from "node:crypto";
import { LachesisError } from "../../core/index.ts";
import type { Sandbox, SandboxProcess } from "../../sandbox/index.ts";
import type { StateHolder } from "../places.ts";
import { withoutEscapes } from "./display.ts";
import { RollingText } from "./rolling-text.ts";
import { shellOf } from "./shell.ts";

const MOST_RUNNING = 64;
const MOST_FINISHED = 64;

export interface BackgroundProcess {
  readonly id: string;
  readonly command: string;
  readonly cwd: string;
  readonly pty: boolean;
  readonly process: SandboxProcess;
  readonly startedAt: Date;
  /** Seconds since the start, or from start to end. */
  uptime(): number;
  /** null while it runs; negative: the number of the signal that killed it. */
  exitCode: number | null;
  readonly ended: Promise<void>;
  output(): string;
  linesGone(): number;
}

/** The rollout's processes. */
export function processesOf(holder: StateHolder): ProcessTable {
  return holder.state(
    "processes",
    () => new ProcessTable(holder),
    (table) => table.killAll(),
  );
}

export class ProcessTable {
  readonly #holder: StateHolder;
  readonly #byId = new Map<string, BackgroundProcess>();

  constructor(holder: StateHolder) {
    this.#holder = holder;
  }

  get all(): BackgroundProcess[] {
    return [...this.#byId.values()];
  }

  find(id: string): BackgroundProcess | undefined {
    return this.#byId.get(id);
  }

  /** Starts a command with the shell's state. */
  async start(
    sandbox: Sandbox,
    command: string,
    options: { workdir?: string | undefined; pty: boolean; signal: AbortSignal },
  ): Promise<BackgroundProcess> {
    if (this.all.filter((entry) => entry.exitCode === null).length >= MOST_RUNNING) {
      throw new LachesisError(
        "tool_failed",
        `${MOST_RUNNING} background processes are running already; kill one first.`,
      );
    }
    const text = new RollingText();
    const { process, cwd } = await shellOf(this.#holder).start(sandbox, command, {
      ...options,
      onOutput: (chunk) => text.add(chunk),
    });
    const started = performance.now();
    let endedAt: number | null = null;
    const entry: BackgroundProcess = {
      id: `proc_${randomBytes(6).toString("hex")}`,
      command,
      cwd,
      pty: options.pty,
      process,
      startedAt: new Date(),
      uptime: () => Math.round((endedAt ?? performance.now()) - started) / 1000,
      exitCode: null,
      output: () => withoutEscapes(text.text),
      linesGone: () => text.linesGone,
      ended: process.exited.then(
        ({ exitCode, signal }) => {
          entry.exitCode = exitCode ?? (signal === null ? -1 : -signal);
          endedAt = performance.now();
        },
        () => {
          entry.exitCode = -1; // the sandbox is gone, and whoever uses it next is told so
          endedAt = performance.now();
        },
      ),
    };
    this.#byId.set(entry.id, entry);
    this.#forgetOldest();
    return entry;
  }

  async killAll(): Promise<void> {
    const running = this.all.filter((entry) => entry.exitCode === null);
    await Promise.allSettled(running.map((entry) => entry.process.kill()));
  }

  #forgetOldest(): void {
    const finished = this.all.filter((entry) => entry.exitCode !== null);
    for (const entry of finished.slice(0, Math.max(0, finished.length - MOST_FINISHED))) this.#byId.delete(entry.id);
  }
}
