/**
 * The host's side of a transfer. Reading gives a tree as archive bytes without following symlinks; writing makes
 * directories and regular files only, below its target, with neither links nor devices nor set-id bits, whatever the
 * archive says. Names are raw bytes.
 */
import {
  closeSync,
  constants,
  fchmodSync,
  ftruncateSync,
  lstatSync,
  mkdirSync,
  openSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { lstat, open, readdir, readlink, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { errorMessage, isErrno, LachesisError } from "../../core/index.ts";
import { linkStaysInside } from "../inner-links.ts";
import { type ArchiveEntry, type ArchiveSink, encodeEntry, encodePiece } from "./archive.ts";

const PIECE_BYTES = 128 * 1024;
const SLASH = Buffer.from("/");

/** Gives the archive of a host file or directory, piece by piece; the size of its content is added to `total`. */
export async function* readTree(hostPath: string, total: { bytes: number }): AsyncGenerator<Buffer> {
  try {
    yield* readRoot(hostPath, total);
  } catch (error) {
    throw hostError(`Cannot read ${hostPath} on the host`, error);
  }
}

async function* readRoot(hostPath: string, total: { bytes: number }): AsyncGenerator<Buffer> {
  const root = Buffer.from(hostPath);
  const found = await stat(hostPath);
  if (found.isDirectory()) {
    yield encodeEntry({ type: "directory", mode: found.mode & 0o777, mtimeMs: found.mtimeMs });
    yield* readDirectory(root, Buffer.alloc(0), total);
  } else if (found.isFile()) yield* readRegular(root, Buffer.alloc(0), total, true);
  else throw new LachesisError("data_invalid", `${hostPath} is neither a file nor a directory.`);
  yield encodeEntry({ type: "end" });
}

async function* readDirectory(directory: Buffer, prefix: Buffer, total: { bytes: number }): AsyncGenerator<Buffer> {
  const names = await readdir(directory, { encoding: "buffer" });
  for (const name of names.sort(Buffer.compare)) {
    const host = Buffer.concat([directory, SLASH, name]);
    const path = prefix.length > 0 ? Buffer.concat([prefix, SLASH, name]) : name;
    const found = await lstat(host);
    if (found.isSymbolicLink()) {
      const link = await readlink(host, { encoding: "buffer" });
      if (linkStaysInside(path.toString("latin1"), link.toString("latin1")))
        yield encodeEntry({ type: "symlink", path, link, mtimeMs: found.mtimeMs });
    } else if (found.isDirectory()) {
      yield encodeEntry({ type: "directory", path, mode: found.mode & 0o777, mtimeMs: found.mtimeMs });
      yield* readDirectory(host, path, total);
    } else if (found.isFile()) yield* readRegular(host, path, total, false);
    // Sockets, fifos and devices have no content to copy.
  }
}

async function* readRegular(
  host: Buffer,
  path: Buffer,
  total: { bytes: number },
  follow: boolean,
): AsyncGenerator<Buffer> {
  const flags = constants.O_RDONLY | constants.O_NONBLOCK | (follow ? 0 : constants.O_NOFOLLOW);
  const file = await open(host, flags);
  try {
    const found = await file.stat();
    if (!found.isFile()) throw new LachesisError("data_invalid", `${host} changed while it was copied.`);
    const head = encodeEntry({
      type: "file",
      path,
      mode: found.mode & 0o777,
      mtimeMs: found.mtimeMs,
      size: found.size,
    });
    const buffer = Buffer.allocUnsafe(Math.min(PIECE_BYTES, Math.max(1, found.size + 1)));
    let pending = head;
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, buffer.length, null);
      if (bytesRead === 0) break;
      total.bytes += bytesRead;
      yield Buffer.concat([pending, encodePiece(buffer.subarray(0, bytesRead))]);
      pending = Buffer.alloc(0);
    }
    yield Buffer.concat([pending, encodePiece(Buffer.alloc(0))]);
  } finally {
    await file.close();
  }
}

/**
 * Writes an archive below `hostPath`. Works synchronously, piece by piece as they arrive, so that nothing piles up.
 */
export class HostTreeWriter implements ArchiveSink {
  /** Bytes of file content so far, holes included. */
  bytes = 0;
  /** What could not be copied: paths with their errno. */
  readonly skipped: { path: string; errno: number }[] = [];
  readonly #root: Buffer;
  readonly #made = new Set<string>();
  #fd: number | null = null;
  #position = 0;
  #first = true;
  /** Modes of directories, set at the end: a directory without the write bit still gets its content. */
  readonly #modes: { path: Buffer; mode: number }[] = [];

  constructor(hostPath: string) {
    this.#root = Buffer.from(hostPath);
  }

  entry(entry: ArchiveEntry): void {
    if (entry.type === "skipped") {
      this.skipped.push({ path: entry.path.toString(), errno: entry.size });
      return;
    }
    if (entry.type === "end") return;
    const first = this.#first;
    this.#first = false;
    if (entry.path.length === 0) {
      if (!first || (entry.type !== "file" && entry.type !== "directory")) throw hostile(entry.path, "a second root");
      if (entry.type === "directory") this.#directory(this.#root);
      else this.#file(this.#root, entry.mode);
      return;
    }
    if (first) throw hostile(entry.path, "no root");
    const path = this.#inside(entry.path);
    if (entry.type === "directory") {
      this.#directory(path);
      this.#modes.push({ path, mode: (entry.mode & 0o777) | 0o700 });
    } else if (entry.type === "file") this.#file(path, entry.mode);
    // Symlinks are not copied out: what they point to is the sandbox's choice.
  }

  content(piece: Buffer): void {
    if (this.#fd === null) throw hostile(Buffer.alloc(0), "content without a file");
    for (let done = 0; done < piece.length; ) {
      done += writeSync(this.#fd, piece, done, piece.length - done, this.#position + done);
    }
    this.#position += piece.length;
    this.bytes += piece.length;
  }

  hole(length: number): void {
    this.#position += length;
    this.bytes += length;
    if (!Number.isSafeInteger(this.#position)) throw hostile(Buffer.alloc(0), "a file is too long");
  }

  fileEnd(): void {
    if (this.#fd === null) return;
    try {
      ftruncateSync(this.#fd, this.#position);
    } finally {
      this.abort();
    }
  }

  /** Sets the directories' modes once all is there. */
  finish(): void {
    for (const { path, mode } of this.#modes.reverse()) {
      const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
      try {
        fchmodSync(fd, mode);
      } finally {
        closeSync(fd);
      }
    }
  }

  /** Closes what is open. */
  abort(): void {
    if (this.#fd !== null) closeSync(this.#fd);
    this.#fd = null;
  }

  /** The host path of an entry; throws when it is not strictly below the root, or when a part of it is not a directory of ours. */
  #inside(path: Buffer): Buffer {
    const parts = path.toString("latin1").split("/");
    if (path.includes(0) || parts.some((part) => part === "" || part === "." || part === "..")) {
      throw hostile(path, "the path leaves the target");
    }
    let parent = this.#root;
    for (const part of parts.slice(0, -1)) {
      parent = Buffer.concat([parent, SLASH, Buffer.from(part, "latin1")]);
      if (!this.#made.has(parent.toString("latin1"))) throw hostile(path, "its directory was not sent before it");
    }
    return Buffer.concat([this.#root, SLASH, path]);
  }

  /** Only the root may be a symlink: it is the caller's own. */
  #directory(path: Buffer): void {
    if (path === this.#root) mkdirSync(path.toString(), { recursive: true });
    else {
      const found = lstatSync(path, { throwIfNoEntry: false });
      if (!found) mkdirSync(path, 0o700);
      else if (!found.isDirectory())
        throw new LachesisError("conflict", `${path} exists on the host and is no directory.`);
    }
    this.#made.add(path.toString("latin1"));
  }

  #file(path: Buffer, mode: number): void {
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
    if (path === this.#root) mkdirSync(dirname(path.toString()), { recursive: true });
    const found = lstatSync(path, { throwIfNoEntry: false });
    if (found?.isDirectory()) {
      throw new LachesisError("conflict", `${path} is a directory on the host and a file in the sandbox.`);
    }
    if (found) unlinkSync(path);
    this.#fd = openSync(path, flags, 0o600);
    this.#position = 0;
    fchmodSync(this.#fd, mode & 0o777);
  }
}

/** A host error as callers get it: `not_found`, `disk_full` or `data_invalid`, with the errno. Our own errors stay. */
export function hostError(what: string, error: unknown): LachesisError {
  if (error instanceof LachesisError) return error;
  const errno = isErrno(error) ? error.code : undefined;
  const code =
    errno === "ENOENT" ? "not_found" : errno === "ENOSPC" || errno === "EDQUOT" ? "disk_full" : "data_invalid";
  return new LachesisError(code, `${what}: ${errorMessage(error)}.`, { cause: error, details: { errno } });
}

function hostile(path: Buffer, what: string): LachesisError {
  return new LachesisError(
    "sandbox_protocol",
    `The sandbox sent an entry ${JSON.stringify(path.toString())} that is refused: ${what}.`,
  );
}
