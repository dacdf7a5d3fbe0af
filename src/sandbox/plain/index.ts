/**
 * The last resort: plain host processes in a temporary directory. It isolates nothing (`isolated` is false): it scrubs the
 * environment, keeps files apart, caps output and kills whole process trees, and that is all. For machines where the
 * kernel refuses namespaces and no container engine answers.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { cp, mkdir, mkdtemp, rm } from "node:fs/promises";
import { constants as osConstants, tmpdir } from "node:os";
import { isAbsolute, join } from "node:path";
import { errorMessage, LachesisError } from "../../core/index.ts";
import type {
  ExecOptions,
  ExecResult,
  FileStat,
  Sandbox,
  SandboxOptions,
  SandboxProcess,
  Snapshot,
  SpawnOptions,
  WriteOptions,
} from "../contract.ts";
import { CappedOutput } from "./capped-output.ts";
import { argumentVector, scrubbedEnvironment } from "./command.ts";
import { copyTree, fileError, readBytes, statOf, writeBytes } from "./host-files.ts";
import { killMarked } from "./process-tree.ts";

const DEFAULT_MAX_BYTES = 16 * 1024 * 1024;
/** How long a command that ended may leave its output held open by a background job before we stop listening. */
const DRAIN_MS = 100;

/**
 * Makes a plain sandbox. Its working directory is a new temporary directory, whatever `workdir` says. Throws
 * `sandbox_unavailable` when isolation is required, `unsupported` for an image.
 * @example const sandbox = await createPlainSandbox({ env: { LANG: "C" } });
 */
export async function createPlainSandbox(options: SandboxOptions = {}): Promise<Sandbox> {
  if (options.require_sandbox) {
    throw new LachesisError("sandbox_unavailable", "Plain processes are not isolated, and require_sandbox is true.");
  }
  if (options.image) throw new LachesisError("unsupported", "The plain backend has no images; it runs host processes.");
  notCancelled(options.signal);
  try {
    return await PlainSandbox.create(options);
  } catch (error) {
    throw new LachesisError("sandbox_create", `No directory for a plain sandbox: ${errorMessage(error)}`, {
      cause: error,
    });
  }
}

function notCancelled(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new LachesisError("cancelled", "Cancelled before it started.", { cause: signal.reason });
}

class PlainSandbox implements Sandbox {
  readonly id = randomUUID();
  readonly backend = "plain";
  readonly isolated = false;
  readonly workdir: string;
  readonly closed: Promise<Error | null>;
  readonly #options: SandboxOptions;
  readonly #root: string;
  readonly #env: Record<string, string>;
  readonly #children = new Map<ChildProcess, string>();
  #settleClosed: (error: Error | null) => void = () => {};
  #destroying: Promise<void> | null = null;
  #commands = 0;

  private constructor(options: SandboxOptions, root: string) {
    this.#options = options;
    this.#root = root;
    this.workdir = join(root, "workspace");
    this.#env = scrubbedEnvironment(options, { home: join(root, "home"), tmp: join(root, "tmp") });
    this.closed = new Promise((resolve) => {
      this.#settleClosed = resolve;
    });
  }

  static async create(options: SandboxOptions, from?: string): Promise<PlainSandbox> {
    const root = await mkdtemp(join(tmpdir(), "lachesis-plain-"));
    if (from) await cp(from, root, { recursive: true, verbatimSymlinks: true, preserveTimestamps: true });
    for (const name of ["workspace", "home", "tmp"]) await mkdir(join(root, name), { recursive: true });
    return new PlainSandbox(options, root);
  }

  exec(
    command: string | readonly string[],
    options: ExecOptions & { encoding: "buffer" },
  ): Promise<ExecResult<Uint8Array>>;
  exec(command: string | readonly string[], options?: ExecOptions): Promise<ExecResult>;
  async exec(
    command: string | readonly string[],
    options: ExecOptions = {},
  ): Promise<ExecResult | ExecResult<Uint8Array>> {
    this.#mustLive();
    notCancelled(options.signal);
    const started = performance.now();
    const stdout = new CappedOutput(options.maxBytes ?? DEFAULT_MAX_BYTES);
    const stderr = new CappedOutput(options.maxBytes ?? DEFAULT_MAX_BYTES);
    const argv = argumentVector(command, { merge: options.mergeOutput ?? false });
    const { child, marker } = await this.#start(argv, options);
    const listen = (stream: "stdout" | "stderr", output: CappedOutput) =>
      child[stream]?.on("data", (chunk: Buffer) => {
        const kept = output.add(chunk);
        if (kept.length > 0) options.onOutput?.(kept, stream);
      });
    listen("stdout", stdout);
    listen("stderr", stderr);
    child.stdin?.end(options.stdin ?? "");

    let killed = false;
    let timedOut = false;
    let killing: Promise<void> | null = null;
    const end = () => {
      killed = true;
      killing ??= killMarked(marker, child.pid === undefined ? [] : [child.pid]);
    };
    const timer =
      options.timeoutMs === undefined
        ? undefined
        : setTimeout(() => {
            timedOut = true;
            end();
          }, options.timeoutMs);
    options.signal?.addEventListener("abort", end, { once: true });
    try {
      const { exitCode } = await this.#ended(child);
      await killing;
      if (this.#destroying) throw new LachesisError("sandbox_closed", "The sandbox was destroyed while a command ran.");
      const facts = {
        exitCode: killed ? null : exitCode,
        timedOut,
        truncated: stdout.truncated || stderr.truncated,
        durationMs: performance.now() - started,
      };
      if (options.encoding === "buffer") return { stdout: stdout.bytes(), stderr: stderr.bytes(), ...facts };
      return { stdout: stdout.bytes().toString("utf8"), stderr: stderr.bytes().toString("utf8"), ...facts };
    } finally {
      clearTimeout(timer);
      options.signal?.removeEventListener("abort", end);
    }
  }

  async spawn(command: string | readonly string[], options: SpawnOptions = {}): Promise<SandboxProcess> {
    this.#mustLive();
    const argv = argumentVector(command, { merge: options.mergeOutput ?? false, pty: options.pty });
    const { child, marker } = await this.#start(argv, options);
    child.stdout?.on("data", (chunk: Buffer) => options.onOutput?.(chunk, "stdout"));
    child.stderr?.on("data", (chunk: Buffer) => options.onOutput?.(chunk, "stderr"));
    const pid = child.pid ?? 0;
    return {
      pid,
      exited: this.#ended(child),
      write: (data) =>
        new Promise((resolve, reject) => {
          const stdin = child.stdin;
          if (!stdin?.writable) {
            reject(
              new LachesisError("sandbox_io", "The process takes no more input.", { details: { errno: "EPIPE" } }),
            );
            return;
          }
          stdin.write(data, (error) => (error ? reject(fileError(error, "stdin")) : resolve()));
        }),
      closeStdin: () => new Promise((resolve) => (child.stdin?.writable ? child.stdin.end(resolve) : resolve())),
      kill: () => killMarked(marker, [pid]),
    };
  }

  readFile(path: string, range?: { offset: number; length: number }): Promise<Uint8Array> {
    return this.#file(path, (full) => readBytes(full, range));
  }

  writeFile(path: string, data: string | Uint8Array, options?: WriteOptions): Promise<void> {
    return this.#file(path, (full) => writeBytes(full, data, options));
  }

  stat(path: string, options?: { followSymlinks?: boolean }): Promise<FileStat | null> {
    return this.#file(path, (full) => statOf(full, options?.followSymlinks ?? true));
  }

  upload(hostPath: string, sandboxPath: string): Promise<number> {
    return this.#file(sandboxPath, (full) => copyTree(hostPath, full, true));
  }

  download(sandboxPath: string, hostPath: string): Promise<number> {
    return this.#file(sandboxPath, (full) => copyTree(full, hostPath, false));
  }

  async snapshot(): Promise<Snapshot> {
    this.#mustLive();
    const kept = await mkdtemp(join(tmpdir(), "lachesis-plain-"));
    await cp(this.#root, kept, { recursive: true, verbatimSymlinks: true, preserveTimestamps: true });
    let released = false;
    return {
      fork: async (options) => {
        if (released) throw new LachesisError("sandbox_closed", "The snapshot was released.");
        return PlainSandbox.create({ ...this.#options, ...options }, kept);
      },
      release: async () => {
        released = true;
        await rm(kept, { recursive: true, force: true });
      },
    };
  }

  destroy(): Promise<void> {
    this.#destroying ??= this.#destroy();
    return this.#destroying;
  }

  async #destroy(): Promise<void> {
    await killMarked(
      `LACHESIS_PLAIN=${this.id}`,
      [...this.#children.keys()].flatMap((child) => child.pid ?? []),
    );
    await rm(this.#root, { recursive: true, force: true, maxRetries: 3 });
    this.#settleClosed(null);
  }

  async #file<T>(path: string, work: (full: string) => Promise<T>): Promise<T> {
    this.#mustLive();
    if (path === "" || path.includes("\0")) {
      throw new LachesisError("sandbox_io", `Not a path: ${JSON.stringify(path)}`, {
        details: { path, errno: "EINVAL" },
      });
    }
    try {
      return await work(isAbsolute(path) ? path : join(this.workdir, path));
    } catch (error) {
      throw fileError(error, path);
    }
  }

  #mustLive(): void {
    if (this.#destroying) throw new LachesisError("sandbox_closed", `Sandbox ${this.id} was already destroyed.`);
  }

  /** Starts a process in a session of its own; its marker in the environment names it and all it starts. */
  async #start(
    argv: readonly string[],
    options: Pick<SpawnOptions, "cwd" | "env">,
  ): Promise<{ child: ChildProcess; marker: string }> {
    const cwd =
      options.cwd === undefined
        ? this.workdir
        : isAbsolute(options.cwd)
          ? options.cwd
          : join(this.workdir, options.cwd);
    if ((await statOf(cwd, true))?.type !== "directory") {
      throw new LachesisError("sandbox_io", `${cwd} is not a directory.`, { details: { path: cwd, errno: "ENOENT" } });
    }
    const marker = `LACHESIS_PLAIN=${this.id}.${++this.#commands}.`;
    const [name, value] = marker.split("=");
    const [program, ...args] = argv;
    if (program === undefined)
      throw new LachesisError("sandbox_io", "An empty command.", { details: { errno: "EINVAL" } });
    const child = spawn(program, args, {
      cwd,
      env: { ...this.#env, ...options.env, [name!]: value },
      detached: true,
      stdio: "pipe",
    });
    this.#children.set(child, marker);
    child.once("exit", () => this.#children.delete(child));
    child.stdin?.on("error", () => {}); // the command may end without reading its input
    await new Promise<void>((resolve, reject) => {
      child.once("spawn", resolve);
      child.once("error", (error) => {
        this.#children.delete(child);
        reject(fileError(error, program));
      });
    });
    return { child, marker: marker.slice(0, -1) };
  }

  /** Settles when the process itself ended and its output is read; a job that it left behind may hold the output open. */
  #ended(child: ChildProcess): Promise<{ exitCode: number | null; signal: number | null }> {
    return new Promise((resolve) => {
      let facts: { exitCode: number | null; signal: number | null } = { exitCode: null, signal: null };
      let timer: NodeJS.Timeout | undefined;
      const done = () => {
        clearTimeout(timer);
        resolve(facts);
      };
      child.once("close", done);
      child.once("exit", (code, signal) => {
        facts = { exitCode: code, signal: signal === null ? null : osConstants.signals[signal] };
        timer = setTimeout(done, DRAIN_MS);
      });
    });
  }
}
