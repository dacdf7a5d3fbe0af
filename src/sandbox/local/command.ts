/**
 * One command in the sandbox: its frames, its input within the helper's window, its output up to a limit. Settles
 * exactly once, with how it ended or with why the sandbox did.
 */
import type { LachesisError } from "../../core/index.ts";
import type { FrameHandler, HelperConnection } from "./connection.ts";
import { errorOf, FRAME_MAX_BYTES, frame, STATUS, T, WINDOW_BYTES } from "./protocol.ts";

export interface CommandEnd {
  /** null when a signal ended it. */
  exitCode: number | null;
  signal: number | null;
  timedOut: boolean;
  truncated: boolean;
  /** The memory watch killed a process of this command. */
  memoryExceeded: boolean;
}

export type OutputListener = (chunk: Buffer, stream: "stdout" | "stderr") => void;

const STDIN_PIECE = Math.min(128 * 1024, FRAME_MAX_BYTES);

export class Command implements FrameHandler {
  readonly ended: Promise<CommandEnd>;
  /** Settles with the process id inside once it runs; rejects when it could not be started. */
  readonly started: Promise<number>;
  id = 0;
  #pid: ((pid: number) => void) | null = null;
  #notStarted: ((error: LachesisError) => void) | null = null;
  #settle: ((end: CommandEnd) => void) | null = null;
  #reject: ((error: LachesisError) => void) | null = null;
  readonly #connection: HelperConnection;
  readonly #onOutput: OutputListener;
  readonly #what: string;
  #window = WINDOW_BYTES;
  #input: { bytes: Uint8Array; resolve(): void }[] = [];
  #inputEnding = false;
  #inputEnded = false;
  #over = false;

  constructor(connection: HelperConnection, what: string, onOutput: OutputListener) {
    this.#connection = connection;
    this.#what = what;
    this.#onOutput = onOutput;
    this.started = new Promise((resolve, reject) => {
      this.#pid = resolve;
      this.#notStarted = reject;
    });
    this.ended = new Promise((resolve, reject) => {
      this.#settle = resolve;
      this.#reject = reject;
    });
    this.started.catch(() => {});
    this.ended.catch(() => {});
  }

  start(payload: Uint8Array): void {
    this.id = this.#connection.open(this);
    this.#connection.send(T.exec, this.id, payload);
  }

  /** Gives bytes to the command's input; resolves when they were taken, or will never be. */
  write(bytes: Uint8Array): Promise<void> {
    if (this.#over || this.#inputEnding || bytes.length === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#input.push({ bytes, resolve });
      this.#pump();
    });
  }

  endInput(): void {
    if (this.#over || this.#inputEnding) return;
    this.#inputEnding = true;
    this.#pump();
  }

  kill(): void {
    this.#connection.send(T.kill, this.id);
  }

  frame(type: number, payload: Buffer): boolean {
    switch (type) {
      case T.stdout:
        this.#onOutput(payload, "stdout");
        return false;
      case T.stderr:
        this.#onOutput(payload, "stderr");
        return false;
      case T.spawned:
        this.#pid?.(payload.readUInt32LE(0));
        return false;
      case T.ack:
        this.#window = Math.min(this.#window + payload.readUInt32LE(0), WINDOW_BYTES);
        this.#pump();
        return false;
      case T.status: {
        const code = payload.readUInt32LE(0);
        const flags = payload.readUInt32LE(4);
        const killed = (flags & STATUS.signalled) !== 0;
        this.#finish();
        this.#settle?.({
          exitCode: killed || (flags & STATUS.timedOut) !== 0 ? null : code,
          signal: killed ? code : null,
          timedOut: (flags & STATUS.timedOut) !== 0,
          truncated: (flags & STATUS.truncated) !== 0,
          memoryExceeded: (flags & STATUS.memory) !== 0,
        });
        return true;
      }
      case T.error:
        this.#fail(errorOf(payload, `${this.#what}: ${payload.subarray(4).toString()}`));
        return true;
      default:
        return false;
    }
  }

  closed(error: LachesisError): void {
    this.#fail(error);
  }

  #fail(error: LachesisError): void {
    this.#finish();
    this.#notStarted?.(error);
    this.#reject?.(error);
  }

  #finish(): void {
    this.#over = true;
    for (const piece of this.#input) piece.resolve();
    this.#input = [];
  }

  #pump(): void {
    const frames: Uint8Array[] = [];
    for (let first = this.#input[0]; first && this.#window > 0; first = this.#input[0]) {
      const piece = first.bytes.subarray(0, Math.min(this.#window, STDIN_PIECE));
      frames.push(frame(T.stdin, this.id, piece));
      this.#window -= piece.length;
      first.bytes = first.bytes.subarray(piece.length);
      if (first.bytes.length > 0) continue;
      first.resolve();
      this.#input.shift();
    }
    if (this.#inputEnding && !this.#inputEnded && this.#input.length === 0) {
      this.#inputEnded = true;
      frames.push(frame(T.stdinEnd, this.id, null));
    }
    if (frames.length > 0) this.#connection.sendAll(frames);
  }
}
