/**
 * Frames between Node and the sandbox helper: u32 length of the payload, u32 id, u8 type, payload; little endian. What
 * the helper sends is not trusted: a frame that is too long or of an unknown type ends the sandbox.
 */
import { constants } from "node:os";
import { LachesisError } from "../../core/index.ts";

export const HEADER_BYTES = 9;
/** Largest payload in either direction. */
export const FRAME_MAX_BYTES = 1 << 20;
/** Bytes that may be under way on one stream before the helper has acknowledged them. */
export const WINDOW_BYTES = 1 << 20;
/** Ids from here on belong to the helper (connections to forwarded sockets). */
export const FIRST_HELPER_ID = 0x80000000;

const letter = (text: string) => text.charCodeAt(0);

/** Frame types; the same letters stand in native/src/jail.h. */
export const T = {
  config: letter("C"),
  exec: letter("E"),
  stdin: letter("I"),
  stdinEnd: letter("D"),
  kill: letter("K"),
  resize: letter("Z"),
  stat: letter("S"),
  read: letter("R"),
  write: letter("W"),
  writeData: letter("w"),
  writeEnd: letter("e"),
  writeAbort: letter("a"),
  freeze: letter("F"),
  thaw: letter("f"),
  ping: letter("p"),
  hello: letter("H"),
  ready: letter("Y"),
  failed: letter("!"),
  error: letter("N"),
  spawned: letter("P"),
  stdout: letter("1"),
  stderr: letter("2"),
  status: letter("T"),
  ack: letter("A"),
  statResult: letter("s"),
  data: letter("d"),
  ok: letter("o"),
  socketOpen: letter("n"),
  socketData: letter("x"),
  socketEnd: letter("y"),
  socketClose: letter("z"),
  socketAck: letter("q"),
} as const;

/** Payload lengths that are fixed; every other frame from the helper may have any length up to the maximum. */
const EXACT_LENGTH = new Map<number, number>([
  [T.hello, 4],
  [T.ready, 0],
  [T.spawned, 4],
  [T.status, 8],
  [T.ack, 4],
  [T.statResult, 21],
  [T.ok, 0],
  [T.socketOpen, 4],
  [T.socketEnd, 0],
  [T.socketClose, 0],
  [T.socketAck, 4],
]);
const FREE_LENGTH = new Set<number>([T.failed, T.error, T.stdout, T.stderr, T.data, T.socketData]);

export const EXEC = { pty: 1, merge: 2, stdin: 4, pack: 8, unpack: 16, layer: 32, quiet: 64 } as const;
export const STATUS = { timedOut: 1, truncated: 2, memory: 4, signalled: 8 } as const;

/** Header and payload in one piece. */
export function frame(type: number, id: number, payload: Uint8Array | null): Buffer {
  const length = payload?.length ?? 0;
  const bytes = Buffer.allocUnsafe(HEADER_BYTES + length);
  bytes.writeUInt32LE(length, 0);
  bytes.writeUInt32LE(id, 4);
  bytes[8] = type;
  if (payload) bytes.set(payload, HEADER_BYTES);
  return bytes;
}

export interface ExecRequest {
  flags: number;
  /** 0 for none. */
  timeoutMs: number;
  maxBytes: number;
  rows: number;
  cols: number;
  cwd: string;
  argv: readonly string[];
  env: readonly string[];
}

/** The payload of an exec frame, or null when it does not fit in a frame. */
export function execPayload(request: ExecRequest): Buffer | null {
  const text = Buffer.from(`${[request.cwd, ...request.argv, ...request.env].join("\0")}\0`);
  if (24 + text.length > FRAME_MAX_BYTES || request.argv.length > 0xffff || request.env.length > 0xffff) return null;
  const bytes = Buffer.allocUnsafe(24 + text.length);
  bytes.writeUInt32LE(request.flags, 0);
  bytes.writeUInt32LE(Math.min(Math.ceil(request.timeoutMs), 0xffffffff), 4);
  bytes.writeBigUInt64LE(BigInt(Math.min(Math.max(0, Math.floor(request.maxBytes)), Number.MAX_SAFE_INTEGER)), 8);
  bytes.writeUInt16LE(request.rows, 16);
  bytes.writeUInt16LE(request.cols, 18);
  bytes.writeUInt16LE(request.argv.length, 20);
  bytes.writeUInt16LE(request.env.length, 22);
  text.copy(bytes, 24);
  return bytes;
}

/** Cuts a byte stream into frames. Payloads are views that are valid only during the callback's turn if `push` is given reused memory. */
export class FrameDecoder {
  #rest: Buffer | null = null;
  readonly #onFrame: (type: number, id: number, payload: Buffer) => void;

  constructor(onFrame: (type: number, id: number, payload: Buffer) => void) {
    this.#onFrame = onFrame;
  }

  /** Throws `sandbox_protocol` at the first thing that is not of the protocol. */
  push(chunk: Buffer): void {
    let bytes = this.#rest ? Buffer.concat([this.#rest, chunk]) : chunk;
    while (bytes.length >= HEADER_BYTES) {
      const length = bytes.readUInt32LE(0);
      const type = bytes[8]!;
      const exact = EXACT_LENGTH.get(type);
      if (length > FRAME_MAX_BYTES || (exact === undefined ? !FREE_LENGTH.has(type) : length !== exact)) {
        throw new LachesisError(
          "sandbox_protocol",
          `The sandbox helper sent a frame of type ${type} and ${length} bytes.`,
        );
      }
      if (bytes.length < HEADER_BYTES + length) break;
      this.#onFrame(type, bytes.readUInt32LE(4), bytes.subarray(HEADER_BYTES, HEADER_BYTES + length));
      bytes = bytes.subarray(HEADER_BYTES + length);
    }
    this.#rest = bytes.length > 0 ? bytes : null;
  }
}

const ERRNO_NAMES = new Map(Object.entries(constants.errno).map(([name, number]) => [number, name]));

/** The error that an error frame stands for. `what` names the operation and its path. */
export function errorOf(payload: Buffer, what: string): LachesisError {
  const number = payload.length >= 4 ? payload.readUInt32LE(0) : 0;
  return errnoError(number, what);
}

export function errnoError(number: number, what: string): LachesisError {
  const errno = ERRNO_NAMES.get(number) ?? `errno ${number}`;
  if (errno === "ENOSPC" || errno === "EDQUOT") {
    return new LachesisError("sandbox_disk_full", `${what}: the sandbox's disk limit is used up (${errno}).`, {
      details: { errno },
    });
  }
  return new LachesisError("sandbox_io", `${what}: ${explain(errno)}.`, { details: { errno } });
}

function explain(errno: string): string {
  const words: Record<string, string> = {
    ENOENT: "no such file or directory",
    EACCES: "permission denied",
    EISDIR: "is a directory",
    ENOTDIR: "a part of the path is not a directory",
    EINVAL: "not a regular file",
    EROFS: "read-only in the sandbox",
    ELOOP: "too many symbolic links or levels",
    EAGAIN: "the sandbox's process limit is used up",
    ENAMETOOLONG: "the name is too long",
  };
  return words[errno] ? `${words[errno]} (${errno})` : errno;
}
