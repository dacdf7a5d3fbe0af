/**
 * The background processes of one rollout. A process belongs to the rollout that started it and is unknown to every
 * other; when the rollout ends, all of them are killed with everything that they started.
 */
import { randomBytes } from "node:crypto";
import { LachesisError } from "../../core/index.ts";
import type { Sandbox, SandboxProcess } from "../../sandbox/index.ts";
import { type Notice, noticesOf } from "../notices.ts";
import type { StateHolder } from "../places.ts";
import { withoutEscapes } from "./display.ts";
import { OutputWatch } from "./output-watch.ts";
import { RollingText } from "./rolling-text.ts";
import { shellOf } from "./shell.ts";

const MOST_RUNNING = 64;
const MOST_FINISHED = 64;
/** Of a process's output in the notice of its end. */
const NOTICE_CHARS = 2000;

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
  /** Tell the model when it ends; false once it was told, by a notice or by the process tool. */
  notifyOnComplete: boolean;
  readonly watch: OutputWatch | null;
}

export interface StartOptions {
  workdir?: string | undefined;
  pty: boolean;
  signal: AbortSignal;
  notifyOnComplete: boolean;
  /** Lines that hold one of these are told to the model; empty: none. */
  watchPatterns: readonly string[];
}

/** The rollout's processes. */
export function processesOf(holder: StateHolder): ProcessTable {
  return holder.state(
    "processes",
    () => {
      const table = new ProcessTable(holder);
      noticesOf(holder).add(() => table.news());
      return table;
    },
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
  async start(sandbox: Sandbox, command: string, options: StartOptions): Promise<BackgroundProcess> {
    if (this.all.filter((entry) => entry.exitCode === null).length >= MOST_RUNNING) {
      throw new LachesisError(
        "tool_failed",
        `${MOST_RUNNING} background processes are running already; kill one first.`,
      );
    }
    const { workdir, pty, signal } = options;
    const text = new RollingText();
    const watch = options.watchPatterns.length > 0 ? new OutputWatch(options.watchPatterns) : null;
    const { process, cwd } = await shellOf(this.#holder).start(sandbox, command, {
      workdir,
      pty,
      signal,
      onOutput: (chunk) => {
        text.add(chunk);
        watch?.add(chunk);
      },
    });
    const started = performance.now();
    let endedAt: number | null = null;
    const entry: BackgroundProcess = {
      id: `proc_${randomBytes(6).toString("hex")}`,
      command,
      cwd,
      pty,
      process,
      notifyOnComplete: options.notifyOnComplete,
      watch,
      startedAt: new Date(),
      uptime: () => Math.round((endedAt ?? performance.now()) - started) / 1000,
      exitCode: null,
      output: () => withoutEscapes(text.text),
      linesGone: () => text.linesGone,
      ended: process.exited.then(
        ({ exitCode, signal }) => {
          entry.exitCode = exitCode ?? (signal === null ? -1 : -signal);
          endedAt = performance.now();
          watch?.end();
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

  /** What the model asked to be told of and was not told yet. */
  news(): Notice[] {
    return this.all.flatMap((entry) => {
      const facts = { session_id: entry.id, command: entry.command.slice(0, 200) };
      const ended = entry.exitCode !== null;
      const found = entry.watch?.report(ended) ?? null;
      const notices: Notice[] = [];
      if (found) {
        const { pattern, output, suppressed, disabled } = found;
        notices.push({ type: "watch_match", ...facts, pattern, output, ...(suppressed > 0 && { suppressed }) });
        if (disabled) {
          entry.notifyOnComplete = true;
          const message = "The output matches too often; you are told when the process ends instead.";
          notices.push({ type: "watch_disabled", ...facts, message });
        }
      }
      if (ended && entry.notifyOnComplete) {
        entry.notifyOnComplete = false;
        notices.push({
          type: "completion",
          ...facts,
          exit_code: entry.exitCode,
          output: entry.output().slice(-NOTICE_CHARS),
        });
      }
      return notices;
    });
  }

  async killAll(): Promise<void> {
    const running = this.all.filter((entry) => entry.exitCode === null);
    await Promise.allSettled(running.map((entry) => entry.process.kill()));
  }

  #forgetOldest(): void {
    const finished = this.all.filter((entry) => entry.exitCode !== null && !entry.notifyOnComplete);
    for (const entry of finished.slice(0, Math.max(0, finished.length - MOST_FINISHED))) this.#byId.delete(entry.id);
  }
}
