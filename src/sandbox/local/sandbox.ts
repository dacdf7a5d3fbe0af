/**
 * A sandbox on this machine: one helper process that made the namespaces and serves as pid 1. Commands, files and
 * transfers all go through it, so a path is always resolved inside and no program of the sandbox is trusted.
 */
import { constants } from "node:os";
import { LachesisError, logger } from "../../core/index.ts";
import type {
  ExecOptions,
  ExecResult,
  FileStat,
  Sandbox,
  SandboxProcess,
  Snapshot,
  SpawnOptions,
  WriteOptions,
} from "../contract.ts";
import { ArchiveDecoder } from "./archive.ts";
import { Command, type CommandEnd, type OutputListener } from "./command.ts";
import type { FrameHandler, HelperConnection } from "./connection.ts";
import { HostTreeWriter, hostError, readTree } from "./host-tree.ts";
import type { Layer } from "./layers.ts";
import { EXEC, errnoError, errorOf, execPayload, frame, T } from "./protocol.ts";
import { checkedEnv, DEFAULT_MAX_BYTES, type LocalSettings } from "./settings.ts";

const WRITE_PIECE = 256 * 1024;
/** A script or argument that is longer does not fit in the kernel's limit for one argument. */
const ARGUMENT_MAX_BYTES = 120 * 1024;
/** How long after a command's time-out the helper may take to say so before it counts as dead. */
const ANSWER_GRACE_MS = 30_000;
const READ_MAX_BYTES = 1024 * 1024 * 1024;

export interface LocalParts {
  id: string;
  connection: HelperConnection;
  settings: LocalSettings;
  /** Layers below this sandbox's own changes, the newest first. */
  layers: readonly Layer[];
  /** Called once when the sandbox is gone. */
  onGone(): Promise<void>;
  snapshot(sandbox: LocalSandbox): Promise<Snapshot>;
}

export class LocalSandbox implements Sandbox {
  readonly id: string;
  readonly backend = "local";
  readonly workdir: string;
  readonly isolated = true;
  readonly closed: Promise<Error | null>;
  readonly settings: LocalSettings;
  readonly layers: readonly Layer[];
  readonly #connection: HelperConnection;
  readonly #parts: LocalParts;
  #scripts = 0;

  constructor(parts: LocalParts) {
    this.id = parts.id;
    this.#connection = parts.connection;
    this.settings = parts.settings;
    this.layers = parts.layers;
    this.workdir = parts.settings.workdir;
    this.#parts = parts;
    this.closed = parts.connection.closed.then(async (error) => {
      await parts.onGone();
      return error;
    });
  }

  /** Process id of pid 1 as the host sees it; for tests and `doctor`. */
  get hostPid(): number {
    return this.#connection.hostPid;
  }

  exec(
    command: string | readonly string[],
    options: ExecOptions & { encoding: "buffer" },
  ): Promise<ExecResult<Uint8Array>>;
  exec(command: string | readonly string[], options?: ExecOptions): Promise<ExecResult>;
  async exec(command: string | readonly string[], options: ExecOptions = {}): Promise<ExecResult<string | Uint8Array>> {
    const began = performance.now();
    const output = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
    const end = await this.#run(command, options, (chunk, stream) => {
      output[stream].push(chunk);
      options.onOutput?.(chunk, stream);
    });
    const whole = (pieces: Buffer[]) => (pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces));
    const give = (pieces: Buffer[]) =>
      options.encoding === "buffer" ? new Uint8Array(whole(pieces)) : whole(pieces).toString("utf8");
    return {
      stdout: give(output.stdout),
      stderr: give(output.stderr),
      exitCode: end.exitCode,
      timedOut: end.timedOut,
      truncated: end.truncated,
      ...(end.memoryExceeded && { memoryExceeded: true }),
      durationMs: performance.now() - began,
    };
  }

  async #run(command: string | readonly string[], options: ExecOptions, onOutput: OutputListener): Promise<CommandEnd> {
    const { signal } = options;
    if (signal?.aborted)
      throw new LachesisError("cancelled", "The command was cancelled before it started.", { cause: signal.reason });
    const long = typeof command === "string" && Buffer.byteLength(command) > ARGUMENT_MAX_BYTES ? command : null;
    const script = long === null ? null : `/tmp/.lachesis-script-${++this.#scripts}`;
    if (script) await this.writeFile(script, long!, { mode: 0o600 });
    const running = new Command(this.#connection, "exec", onOutput);
    const stdin = options.stdin === undefined ? null : Buffer.from(options.stdin as string);
    running.start(
      this.#payload(script ? ["bash", script] : command, {
        cwd: options.cwd,
        env: options.env,
        flags: EXEC.quiet | (stdin ? EXEC.stdin : 0) | (options.mergeOutput ? EXEC.merge : 0),
        timeoutMs: options.timeoutMs,
        maxBytes: options.maxBytes ?? DEFAULT_MAX_BYTES,
      }),
    );
    const onAbort = () => running.kill();
    signal?.addEventListener("abort", onAbort, { once: true });
    const watchdog = options.timeoutMs
      ? setTimeout(() => this.#unanswered("a command's time-out"), options.timeoutMs + ANSWER_GRACE_MS)
      : null;
    try {
      if (stdin) {
        void running.write(stdin);
        running.endInput();
      }
      const end = await running.ended;
      return signal?.aborted ? { ...end, exitCode: end.signal === null ? end.exitCode : null } : end;
    } finally {
      if (watchdog) clearTimeout(watchdog);
      signal?.removeEventListener("abort", onAbort);
      if (script && !this.#connection.failed) await this.exec(["rm", "-f", script]);
    }
  }

  async spawn(command: string | readonly string[], options: SpawnOptions = {}): Promise<SandboxProcess> {
    const { pty } = options;
    const running = new Command(this.#connection, "spawn", (chunk, stream) => options.onOutput?.(chunk, stream));
    running.start(
      this.#payload(command, {
        cwd: options.cwd,
        env: pty ? { TERM: "xterm-256color", ...options.env } : options.env,
        flags: pty ? EXEC.pty | EXEC.stdin : EXEC.stdin | (options.mergeOutput ? EXEC.merge : 0),
        maxBytes: Number.MAX_SAFE_INTEGER,
        pty,
      }),
    );
    const pid = await running.started;
    const exited = running.ended.then(({ exitCode, signal }) => ({ exitCode, signal }));
    exited.catch(() => {});
    return {
      pid,
      exited,
      write: (data) => running.write(Buffer.from(data as string)),
      closeStdin: async () => running.endInput(),
      kill: async () => {
        running.kill();
        await exited;
      },
    };
  }

  #payload(
    command: string | readonly string[],
    options: {
      cwd?: string;
      env?: Record<string, string>;
      flags: number;
      timeoutMs?: number;
      maxBytes: number;
      pty?: { rows: number; cols: number };
    },
  ): Buffer {
    const argv = typeof command === "string" ? ["bash", "-c", command] : command;
    const cwd = this.#path(options.cwd ?? this.workdir);
    this.#pathBytes(cwd); // throws when it can't be one
    if (argv.length === 0) throw new LachesisError("config_invalid", "An empty argument vector is no command.");
    if (argv.some((argument) => argument.includes("\0"))) {
      throw new LachesisError("config_invalid", "A command contains a NUL character, which no process can be given.");
    }
    const env = { ...this.settings.env, ...checkedEnv(options.env) };
    const timeoutMs = options.timeoutMs === undefined ? 0 : Math.max(1, options.timeoutMs);
    const payload = execPayload({
      flags: options.flags,
      timeoutMs: Number.isFinite(timeoutMs) ? timeoutMs : 0,
      maxBytes: Number.isFinite(options.maxBytes) ? options.maxBytes : Number.MAX_SAFE_INTEGER,
      rows: options.pty?.rows ?? 0,
      cols: options.pty?.cols ?? 0,
      cwd,
      argv,
      env: Object.entries(env).map(([name, value]) => `${name}=${value}`),
    });
    if (!payload) throw new LachesisError("config_invalid", "A command with its environment is longer than 1 MB.");
    return payload;
  }

  async readFile(path: string, range?: { offset: number; length: number }): Promise<Uint8Array> {
    const offset = range?.offset ?? 0;
    const length = range?.length ?? READ_MAX_BYTES + 1;
    if (!Number.isSafeInteger(offset) || offset < 0 || !Number.isSafeInteger(length) || length < 0) {
      throw new LachesisError(
        "config_invalid",
        `A range must be whole numbers from 0 on, not ${offset} and ${length}.`,
      );
    }
    const head = Buffer.alloc(16);
    head.writeBigUInt64LE(BigInt(offset), 0);
    head.writeBigUInt64LE(BigInt(Math.min(length, READ_MAX_BYTES + 1)), 8);
    const pieces: Buffer[] = [];
    let bytes = 0;
    await this.#request(T.read, Buffer.concat([head, this.#pathBytes(path)]), `read ${path}`, (payload) => {
      bytes += payload.length;
      if (bytes <= READ_MAX_BYTES) pieces.push(payload);
    });
    if (bytes > READ_MAX_BYTES) {
      throw new LachesisError("sandbox_io", `read ${path}: more than ${READ_MAX_BYTES} bytes; read it in ranges.`, {
        details: { errno: "EFBIG" },
      });
    }
    return new Uint8Array(Buffer.concat(pieces));
  }

  async writeFile(path: string, data: string | Uint8Array, options: WriteOptions = {}): Promise<void> {
    const bytes = typeof data === "string" ? Buffer.from(data) : data;
    const head = Buffer.alloc(5);
    head.writeUInt32LE((options.mode ?? 0o644) & 0o7777, 0);
    head[4] = (options.parents ?? true) ? 1 : 0;
    const start = Buffer.concat([head, this.#pathBytes(path)]);
    await this.#answered(`write ${path}`, null, (id) => {
      const frames = [frame(T.write, id, start)];
      for (let at = 0; at < bytes.length; at += WRITE_PIECE) {
        frames.push(frame(T.writeData, id, bytes.subarray(at, at + WRITE_PIECE)));
      }
      frames.push(frame(T.writeEnd, id, null));
      this.#connection.sendAll(frames);
    });
  }

  async stat(path: string, options: { followSymlinks?: boolean } = {}): Promise<FileStat | null> {
    let result: FileStat | null = null;
    const flag = Buffer.from([(options.followSymlinks ?? true) ? 1 : 0]);
    try {
      await this.#request(T.stat, Buffer.concat([flag, this.#pathBytes(path)]), `stat ${path}`, (payload) => {
        result = {
          type:
            payload[0] === 0x46
              ? "file"
              : payload[0] === 0x44
                ? "directory"
                : payload[0] === 0x4c
                  ? "symlink"
                  : "other",
          size: Number(payload.readBigUInt64LE(1)),
          mode: payload.readUInt32LE(9) & 0o7777,
          mtimeMs: Number(payload.readBigInt64LE(13)),
        };
      });
    } catch (error) {
      if (error instanceof LachesisError && (error.details.errno === "ENOENT" || error.details.errno === "ENOTDIR"))
        return null;
      throw error;
    }
    return result;
  }

  async upload(hostPath: string, sandboxPath: string): Promise<number> {
    const total = { bytes: 0 };
    await this.receiveArchive(
      readTree(hostPath, total),
      this.#path(sandboxPath),
      EXEC.unpack,
      `upload to ${sandboxPath}`,
    );
    return total.bytes;
  }

  async download(sandboxPath: string, hostPath: string): Promise<number> {
    const writer = new HostTreeWriter(hostPath);
    const decoder = new ArchiveDecoder(writer);
    try {
      await this.sendArchive(this.#path(sandboxPath), EXEC.pack, `download ${sandboxPath}`, (chunk) =>
        decoder.push(chunk),
      );
      if (!decoder.ended)
        throw new LachesisError("sandbox_protocol", `download ${sandboxPath}: the archive has no end.`);
      writer.finish();
      const lost = writer.skipped.filter(({ errno }) => errno !== constants.errno.EINVAL);
      if (lost.length > 0)
        logger.warn(
          { sandbox: this.id, lost: lost.slice(0, 10), count: lost.length },
          `download ${sandboxPath}: some files could not be read`,
        );
    } catch (error) {
      throw hostError(`download ${sandboxPath}: cannot write to ${hostPath.slice(0, 200)} on the host`, error);
    } finally {
      writer.abort();
    }
    return writer.bytes;
  }

  /** Unpacks an archive inside; the helper's own code does it. */
  async receiveArchive(archive: AsyncIterable<Uint8Array>, path: string, flags: number, what: string): Promise<void> {
    const errors: Buffer[] = [];
    const running = new Command(this.#connection, what, (chunk, stream) => {
      if (stream === "stderr") errors.push(chunk);
    });
    running.start(this.#archivePayload(path, flags | EXEC.stdin));
    try {
      for await (const piece of archive) await Promise.race([running.write(piece), running.ended]);
      running.endInput();
    } catch (error) {
      running.kill();
      throw error;
    }
    checkArchiveEnd(await running.ended, errors, what);
  }

  /** Packs a path inside and gives the archive's bytes to `onChunk`; when that throws, packing stops and the error is thrown on. */
  async sendArchive(path: string, flags: number, what: string, onChunk: (chunk: Buffer) => void): Promise<void> {
    const errors: Buffer[] = [];
    let failure: unknown = null;
    const running = new Command(this.#connection, what, (chunk, stream) => {
      if (stream === "stderr") errors.push(chunk);
      else if (failure === null) {
        try {
          onChunk(chunk);
        } catch (error) {
          failure = error;
          running.kill();
        }
      }
    });
    running.start(this.#archivePayload(path, flags));
    const end = await running.ended;
    if (failure !== null) throw failure;
    checkArchiveEnd(end, errors, what);
  }

  #archivePayload(path: string, flags: number): Buffer {
    const payload = execPayload({
      flags,
      timeoutMs: 0,
      maxBytes: Number.MAX_SAFE_INTEGER,
      rows: 0,
      cols: 0,
      cwd: "/",
      argv: [path],
      env: [],
    });
    if (!payload || path.includes("\0"))
      throw new LachesisError("sandbox_io", `The path ${JSON.stringify(path)} cannot be.`, {
        details: { errno: "EINVAL" },
      });
    return payload;
  }

  snapshot(): Promise<Snapshot> {
    return this.#parts.snapshot(this);
  }

  /** Stops every process, runs `work`, and lets them go on. */
  async frozen<T>(work: () => Promise<T>): Promise<T> {
    await this.#request(T.freeze, null, "freeze");
    try {
      return await work();
    } finally {
      if (!this.#connection.failed) await this.#request(T.thaw, null, "thaw");
    }
  }

  /** Stops and continues the flow of everything that comes from the sandbox. */
  flow(on: boolean): void {
    if (on) this.#connection.resume();
    else this.#connection.pause();
  }

  async destroy(): Promise<void> {
    await this.#connection.close();
    await this.closed;
  }

  #unanswered(what: string): void {
    this.#connection.abandon(new LachesisError("sandbox_died", `The sandbox did not answer (${what}).`));
  }

  #path(path: string): string {
    return path.startsWith("/") ? path : `${this.workdir}/${path}`;
  }

  #pathBytes(path: string): Buffer {
    const bytes = Buffer.from(this.#path(path));
    if (path === "" || bytes.length > 4095 || bytes.includes(0)) {
      throw new LachesisError("sandbox_io", `The path ${JSON.stringify(path.slice(0, 100))} cannot be.`, {
        details: { errno: path === "" ? "ENOENT" : "EINVAL" },
      });
    }
    return bytes;
  }

  #request(
    type: number,
    payload: Buffer | null,
    what: string,
    onData: ((payload: Buffer) => void) | null = null,
  ): Promise<void> {
    return this.#answered(what, onData, (id) => this.#connection.send(type, id, payload));
  }

  /** Sends frames under a new id and waits for their one answer. */
  #answered(what: string, onData: ((payload: Buffer) => void) | null, send: (id: number) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      const handler: FrameHandler = {
        frame(type, payload) {
          if (type === T.data || type === T.statResult) {
            onData?.(payload);
            if (type === T.data) return false;
            resolve();
          } else if (type === T.ok) resolve();
          else if (type === T.error) reject(errorOf(payload, what));
          else
            throw new LachesisError(
              "sandbox_protocol",
              `The sandbox helper gave an answer of type ${type} to ${what}.`,
            );
          return true;
        },
        closed: reject,
      };
      send(this.#connection.open(handler));
    });
  }
}

/** The helper's packer and unpacker say what failed as `errno what path: text`. */
function checkArchiveEnd(end: CommandEnd, errors: Buffer[], what: string): void {
  if (end.exitCode === 0) return;
  const text = Buffer.concat(errors).toString().trim();
  const number = /^(\d+) (.*)/s.exec(text);
  if (number) throw errnoError(Number(number[1]), `${what}: ${number[2]}`);
  throw new LachesisError(
    "sandbox_io",
    `${what}: ended ${end.signal === null ? `with code ${end.exitCode}` : "by being killed"} ${text}`.trim(),
    {
      details: { errno: end.memoryExceeded ? "ENOMEM" : "EINTR" },
    },
  );
}
