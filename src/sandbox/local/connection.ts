/**
 * One helper process and its frames. Every id that is in use has one handler; a frame for an id that was never given
 * out, or is of the wrong shape, ends the sandbox. When the helper ends, for whatever reason, every handler hears of it once.
 */
import { type ChildProcess, spawn } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { LachesisError } from "../../core/index.ts";
import type { HelperCommand } from "./helper.ts";
import { FIRST_HELPER_ID, FrameDecoder, frame, T } from "./protocol.ts";

export interface FrameHandler {
  /** True when the id is done with and may be forgotten. */
  frame(type: number, payload: Buffer): boolean;
  closed(error: LachesisError): void;
}

/** Called for a new connection to a forwarded socket; gives its handler. */
export type SocketAcceptor = (id: number, index: number) => FrameHandler;

export class HelperConnection {
  readonly #child: ChildProcess;
  readonly #stdin: Writable;
  readonly #stdout: Readable;
  readonly #handlers = new Map<number, FrameHandler>();
  #nextId = 1;
  #error: LachesisError | null = null;
  #closing = false;
  /** Process id of the sandbox's pid 1 on the host; 0 until it is known. */
  hostPid = 0;
  acceptor: SocketAcceptor | null = null;
  /** Settles when the helper is gone: null after `close`, else why. */
  readonly closed: Promise<LachesisError | null>;
  /** Settles when the sandbox can be used; rejects with `sandbox_create` when it could not be made. */
  readonly ready: Promise<void>;

  constructor(helper: HelperCommand, config: Uint8Array) {
    this.#child = spawn(helper.path, [...helper.args], { stdio: ["pipe", "pipe", "ignore"], env: {}, detached: true });
    this.#stdin = this.#child.stdin!;
    this.#stdout = this.#child.stdout!;
    let settle: { resolve(): void; reject(error: LachesisError): void } | null = null;
    this.ready = new Promise((resolve, reject) => {
      settle = { resolve, reject };
    });
    this.ready.catch(() => {});
    const decoder = new FrameDecoder((type, id, payload) => {
      if (type === T.hello) this.hostPid = payload.readUInt32LE(0);
      else if (type === T.ready) settle?.resolve();
      else if (type === T.failed) {
        this.#fail(
          new LachesisError(
            settle ? "sandbox_create" : "sandbox_died",
            `The sandbox helper gave up: ${payload.toString()}.`,
          ),
        );
      } else this.#dispatch(type, id, payload);
    });
    this.#stdout.on("data", (chunk: Buffer) => {
      if (this.#error) return;
      try {
        decoder.push(chunk);
      } catch (error) {
        this.#fail(
          error instanceof LachesisError
            ? error
            : new LachesisError("internal", "A frame's handler failed.", { cause: error }),
        );
      }
    });
    // A write to a helper that is gone ends here; its end is told by `exit`.
    this.#stdin.on("error", () => this.#child.kill("SIGKILL"));
    this.closed = new Promise((resolve) => {
      const ended = (reason: string) => {
        const error =
          this.#error ??
          (settle
            ? new LachesisError("sandbox_create", `The sandbox helper ended before the sandbox was ready (${reason}).`)
            : new LachesisError("sandbox_died", `The sandbox ended by itself (${reason}).`));
        const told =
          this.#closing && !this.#error ? new LachesisError("sandbox_closed", "The sandbox was destroyed.") : error;
        this.#error = told;
        settle?.reject(told);
        const handlers = [...this.#handlers.values()];
        this.#handlers.clear();
        for (const handler of handlers) handler.closed(told);
        resolve(told.code === "sandbox_closed" ? null : told);
      };
      this.#child.once("error", (error) => {
        if (this.#child.pid === undefined) ended(error.message);
      });
      this.#child.once("close", (code, signal) => ended(signal ? `signal ${signal}` : `exit code ${code}`));
    });
    void this.ready.then(
      () => {
        settle = null;
      },
      () => {},
    );
    this.#stdin.write(frame(T.config, 0, config));
  }

  /** Process id of the launcher, which holds the namespaces' descriptors when there is a user-mode network. */
  get launcherPid(): number {
    return this.#child.pid ?? 0;
  }

  get failed(): LachesisError | null {
    return this.#error;
  }

  /** Gives out an id; throws when the sandbox is gone. */
  open(handler: FrameHandler): number {
    if (this.#error) throw this.#error;
    if (this.#closing) throw new LachesisError("sandbox_closed", "The sandbox was destroyed.");
    const id = this.#nextId++;
    if (id >= FIRST_HELPER_ID) throw new LachesisError("internal", "A sandbox ran out of ids.");
    this.#handlers.set(id, handler);
    return id;
  }

  send(type: number, id: number, payload: Uint8Array | null = null): void {
    if (this.#error || this.#closing) return;
    this.#stdin.write(frame(type, id, payload));
  }

  /** Several frames in one write. */
  sendAll(frames: readonly Uint8Array[]): void {
    if (this.#error || this.#closing) return;
    this.#stdin.cork();
    for (const bytes of frames) this.#stdin.write(bytes);
    this.#stdin.uncork();
  }

  /** Stops and continues the flow of everything from the helper. */
  pause(): void {
    this.#stdout.pause();
  }
  resume(): void {
    this.#stdout.resume();
  }

  /** Ends the sandbox and waits until it is gone. */
  async close(): Promise<void> {
    if (!this.#closing) {
      this.#closing = true;
      this.#stdin.end();
      this.#stdout.resume();
      // pid 1 leaves at the end of its input. Should it be stopped from outside, it is killed.
      const timer = setTimeout(() => this.#child.kill("SIGKILL"), 2000);
      void this.closed.then(() => clearTimeout(timer));
    }
    await this.closed;
  }

  /** Ends the sandbox at once because it can't be trusted or does not answer. */
  abandon(error: LachesisError): void {
    this.#fail(error);
  }

  #fail(error: LachesisError): void {
    this.#error ??= error;
    this.#child.kill("SIGKILL");
    // pid 1 dies with the launcher, but for some moments while it is being set up: then the end of its input ends it.
    this.#stdin.destroy();
  }

  #dispatch(type: number, id: number, payload: Buffer): void {
    if (type === T.socketOpen) {
      if (id < FIRST_HELPER_ID || this.#handlers.has(id) || !this.acceptor) {
        throw new LachesisError("sandbox_protocol", "The sandbox helper opened a socket that cannot be.");
      }
      this.#handlers.set(id, this.acceptor(id, payload.readUInt32LE(0)));
      return;
    }
    const handler = this.#handlers.get(id);
    if (!handler) {
      // Frames of an id that was just finished may still be under way; one that was never given out can't be.
      if (id >= FIRST_HELPER_ID || (id !== 0 && id < this.#nextId)) return;
      throw new LachesisError("sandbox_protocol", `The sandbox helper spoke of an unknown id ${id}.`);
    }
    if (handler.frame(type, payload)) this.#handlers.delete(id);
  }

  /** Forgets an id of the helper's. */
  forget(id: number): void {
    this.#handlers.delete(id);
  }
}
