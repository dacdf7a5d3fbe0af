/**
 * The shell of one rollout. Commands run one at a time, in the order in which they were given, each with the state that
 * the one before it left; a command that was killed leaves the state as it found it.
 */
import { LachesisError, Semaphore } from "../../core/index.ts";
import type { Sandbox, SandboxProcess, SpawnOptions } from "../../sandbox/index.ts";
import { endsRollout } from "../fatal.ts";
import { type SandboxPlaces, type StateHolder, sandboxPlaces } from "../places.ts";
import { OutputWindow } from "./output-window.ts";
import { RUN_COMMAND, saveCode } from "./shell-script.ts";

/** Linux allows 128 KiB for one argument; longer commands go through a file. */
const LONGEST_ARGUMENT = 100_000;
const PTY = { rows: 30, cols: 120 };

export interface ShellResult {
  output: OutputWindow;
  /** null when the shell was killed. */
  exitCode: number | null;
  timedOut: boolean;
  cancelled: boolean;
}

export interface ShellRun {
  timeoutMs: number;
  signal: AbortSignal;
  /** For this command only; absolute. */
  workdir?: string | undefined;
  pty?: boolean;
}

/** The rollout's shell. */
export function shellOf(holder: StateHolder): Shell {
  return holder.state("shell", () => new Shell(holder));
}

export class Shell {
  readonly #holder: StateHolder;
  readonly #turn = new Semaphore(1);
  #commands = 0;
  /** The state file that the next command starts from; "" before the first. */
  #stateFile = "";
  #cwd: string | null = null;

  constructor(holder: StateHolder) {
    this.#holder = holder;
  }

  /** The working directory as the last command left it; null while no command has run. */
  get cwd(): string | null {
    return this.#cwd;
  }

  /** Runs a command to its end, its time-out or its cancellation. */
  async run(sandbox: Sandbox, command: string, options: ShellRun): Promise<ShellResult> {
    const release = await this.#turn.acquire(options.signal);
    try {
      const places = await sandboxPlaces(this.#holder, sandbox);
      const number = ++this.#commands;
      // Two files in turn: the one that the command starts from stays whole while the other is written.
      const slot = number % 2;
      const stateFile = `${places.shell}/state.${slot}`;
      const cwdFile = `${places.shell}/cwd.${slot}`;
      const mark = `${number}`;
      const save = saveCode({ stateFile, cwdFile, mark, exported: places.exported });
      const argv = await this.#argv(sandbox, places, command, options.workdir, save);
      const result = await (options.pty ? runOnPty(sandbox, argv, options) : runPlain(sandbox, argv, options));
      await this.#adopt(sandbox, places, { stateFile, cwdFile, mark });
      return result;
    } finally {
      release();
    }
  }

  /** Starts a command that goes on by itself; it gets the shell's state and leaves none. */
  async start(
    sandbox: Sandbox,
    command: string,
    options: Pick<SpawnOptions, "onOutput"> & { workdir?: string | undefined; pty?: boolean; signal: AbortSignal },
  ): Promise<{ process: SandboxProcess; cwd: string }> {
    const release = await this.#turn.acquire(options.signal);
    try {
      const places = await sandboxPlaces(this.#holder, sandbox);
      const argv = await this.#argv(sandbox, places, command, options.workdir, "");
      const process = await sandbox.spawn(argv, {
        mergeOutput: true,
        ...(options.onOutput && { onOutput: options.onOutput }),
        ...(options.pty && { pty: PTY }),
      });
      return { process, cwd: options.workdir ?? this.#cwd ?? sandbox.workdir };
    } finally {
      release();
    }
  }

  async #argv(
    sandbox: Sandbox,
    places: SandboxPlaces,
    command: string,
    workdir: string | undefined,
    save: string,
  ): Promise<string[]> {
    let text = command;
    if (Buffer.byteLength(command) > LONGEST_ARGUMENT) {
      const file = `${places.shell}/command-${this.#commands}-${save === "" ? "background" : "foreground"}`;
      await sandbox.writeFile(file, command);
      text = `. ${file}`;
    }
    return ["bash", "-c", RUN_COMMAND, "bash", text, this.#stateFile, workdir ?? "", save];
  }

  /** Takes over the state that a command left, if it left one. */
  async #adopt(
    sandbox: Sandbox,
    places: SandboxPlaces,
    { stateFile, cwdFile, mark }: { stateFile: string; cwdFile: string; mark: string },
  ): Promise<void> {
    let left: string[];
    try {
      left = Buffer.from(await sandbox.readFile(cwdFile))
        .toString("utf8")
        .split("\0");
    } catch (error) {
      if (endsRollout(error)) throw error;
      // No file: the command was killed, or it removed our directory, which the next one needs.
      await sandbox.exec(["mkdir", "-p", places.shell], { timeoutMs: 30_000 });
      return;
    }
    const [written, cwd] = left;
    if (written !== mark || !cwd || left.length !== 3) return;
    this.#stateFile = stateFile;
    this.#cwd = cwd;
  }
}

async function runPlain(sandbox: Sandbox, argv: string[], options: ShellRun): Promise<ShellResult> {
  const result = await sandbox.exec(argv, {
    mergeOutput: true,
    timeoutMs: options.timeoutMs,
    signal: options.signal,
    // What comes after that is dropped inside the sandbox, so that a flood costs the host nothing.
    maxBytes: OutputWindow.MAX_BYTES,
    encoding: "buffer",
  });
  const output = new OutputWindow();
  output.add(result.stdout);
  output.incomplete = result.truncated;
  return {
    output,
    exitCode: result.exitCode,
    timedOut: result.timedOut,
    cancelled: options.signal.aborted && result.exitCode === null && !result.timedOut,
  };
}

async function runOnPty(sandbox: Sandbox, argv: string[], options: ShellRun): Promise<ShellResult> {
  options.signal.throwIfAborted();
  const output = new OutputWindow();
  const process = await sandbox.spawn(argv, { pty: PTY, onOutput: (chunk) => output.add(chunk) });
  let ended: "timeout" | "cancelled" | null = null;
  let killing: Promise<void> | null = null;
  const end = (why: "timeout" | "cancelled") => {
    ended ??= why;
    killing ??= process.kill();
  };
  const timer = setTimeout(() => end("timeout"), options.timeoutMs);
  const onAbort = () => end("cancelled");
  options.signal.addEventListener("abort", onAbort, { once: true });
  try {
    const { exitCode } = await process.exited;
    await killing;
    return {
      output,
      exitCode: ended === null ? exitCode : null,
      timedOut: ended === "timeout",
      cancelled: ended === "cancelled",
    };
  } finally {
    clearTimeout(timer);
    options.signal.removeEventListener("abort", onAbort);
  }
}

/** A path as the shell of the rollout would understand it: `~` is the sandbox's home, relative ones start at its cwd. */
export async function resolvePath(holder: StateHolder, sandbox: Sandbox, path: string): Promise<string> {
  if (path === "") throw new LachesisError("tool_arguments", "The path is empty.");
  if (path.includes("\0")) throw new LachesisError("tool_arguments", "The path holds a NUL character.");
  if (path === "~" || path.startsWith("~/")) {
    const { home } = await sandboxPlaces(holder, sandbox);
    return home.replace(/\/+$/, "") + path.slice(1) || "/";
  }
  if (path.startsWith("/")) return path.replace(/\/(?:\.?\/)+/g, "/");
  const base = shellOf(holder).cwd ?? sandbox.workdir;
  return `${base}/${path}`.replace(/\/(?:\.?\/)+/g, "/").replace(/(.)\/\.?$/, "$1");
}
