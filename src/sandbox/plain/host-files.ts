/**
 * File operations of the plain backend, on the host's own file system. Writing replaces the whole content in one step
 * (a temporary file beside it, then rename), follows symlinks and keeps the mode of a file that exists.
 */
import { randomUUID } from "node:crypto";
import {
  chmod,
  constants,
  lstat,
  mkdir,
  open,
  readdir,
  readFile,
  readlink,
  realpath,
  rename,
  rm,
  stat,
  symlink,
} from "node:fs/promises";
import { dirname, join, relative, resolve } from "node:path";
import { errorMessage, isErrno, LachesisError } from "../../core/index.ts";
import type { FileStat, WriteOptions } from "../contract.ts";
import { linkStaysInside } from "../inner-links.ts";

/** A host error as the sandbox room reports it: `sandbox_io` with the errno, or `sandbox_disk_full`. */
export function fileError(error: unknown, path: string): LachesisError {
  if (error instanceof LachesisError) return error;
  const errno = isErrno(error) ? error.code : undefined;
  const code = errno === "ENOSPC" || errno === "EDQUOT" ? "sandbox_disk_full" : "sandbox_io";
  return new LachesisError(code, `${path}: ${errorMessage(error)}`, { cause: error, details: { path, errno } });
}

export async function readBytes(path: string, range?: { offset: number; length: number }): Promise<Uint8Array> {
  // O_NONBLOCK: opening a fifo must not wait for a writer.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const info = await file.stat();
    if (info.isDirectory())
      throw new LachesisError("sandbox_io", `${path} is a directory.`, { details: { path, errno: "EISDIR" } });
    if (!info.isFile())
      throw new LachesisError("sandbox_io", `${path} is not a regular file.`, { details: { path, errno: "EINVAL" } });
    if (!range) return await file.readFile();
    const length = Math.max(0, Math.min(range.length, info.size - range.offset));
    const bytes = Buffer.alloc(length);
    let filled = 0;
    while (filled < length) {
      const { bytesRead } = await file.read(bytes, filled, length - filled, range.offset + filled);
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    return bytes.subarray(0, filled);
  } finally {
    await file.close();
  }
}

export async function writeBytes(path: string, data: string | Uint8Array, options: WriteOptions = {}): Promise<void> {
  const target = await finalTarget(path);
  if (options.parents ?? true) await makeDirectories(dirname(target));
  const present = await stat(target).catch(missing);
  if (present && !present.isFile()) {
    const errno = present.isDirectory() ? "EISDIR" : "EINVAL";
    throw new LachesisError("sandbox_io", `${path} is not a regular file.`, { details: { path, errno } });
  }
  const mode = present ? present.mode & 0o7777 : (options.mode ?? 0o644);
  const temporary = join(dirname(target), `.lachesis-${randomUUID()}`);
  try {
    const file = await open(temporary, "wx", mode);
    try {
      await file.writeFile(data);
      await file.chmod(mode);
    } finally {
      await file.close();
    }
    await rename(temporary, target);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** Makes a directory and those above it. Not Node's `recursive`, which never returns below /proc. */
async function makeDirectories(path: string): Promise<void> {
  const present = await stat(path).catch(missing);
  if (present?.isDirectory()) return;
  if (dirname(path) !== path) await makeDirectories(dirname(path));
  await mkdir(path).catch((error: unknown) => {
    if (!isErrno(error) || error.code !== "EEXIST") throw error;
  });
}

/** Where writing to the path ends up: the end of a chain of symlinks, even if nothing is there yet. */
async function finalTarget(path: string): Promise<string> {
  let current = path;
  for (let hops = 0; hops < 40; hops++) {
    const info = await lstat(current).catch(missing);
    if (!info?.isSymbolicLink()) return current;
    current = resolve(await realpath(dirname(current)), await readlink(current));
  }
  throw new LachesisError("sandbox_io", `${path}: too many symlinks.`, { details: { path, errno: "ELOOP" } });
}

export async function statOf(path: string, follow: boolean): Promise<FileStat | null> {
  const info = await (follow ? stat(path) : lstat(path)).catch(missing);
  if (!info) return null;
  const type = info.isFile() ? "file" : info.isDirectory() ? "directory" : info.isSymbolicLink() ? "symlink" : "other";
  return { type, size: info.size, mode: info.mode & 0o7777, mtimeMs: info.mtimeMs };
}

/**
 * Copies a file or tree; gives the bytes of content. Devices, fifos and sockets are left out and set-id bits are dropped.
 * Symlinks are kept only with `links` and only if they stay inside the tree.
 */
export async function copyTree(from: string, to: string, links: boolean): Promise<number> {
  const info = await stat(from);
  if (!info.isDirectory()) {
    await writeBytes(to, await readBytes(from), { mode: info.mode & 0o777 });
    await chmod(to, info.mode & 0o777);
    return info.size;
  }
  return copyDirectory(from, from, to, links);
}

async function copyDirectory(root: string, from: string, to: string, links: boolean): Promise<number> {
  await makeDirectories(to);
  let bytes = 0;
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const source = join(from, entry.name);
    const target = join(to, entry.name);
    if (entry.isDirectory()) bytes += await copyDirectory(root, source, target, links);
    else if (entry.isFile()) {
      const { mode } = await lstat(source);
      const content = await readFile(source);
      await writeBytes(target, content, { mode: mode & 0o777 });
      bytes += content.length;
    } else if (entry.isSymbolicLink() && links) {
      const text = await readlink(source);
      if (linkStaysInside(relative(root, source), text)) {
        await rm(target, { force: true });
        await symlink(text, target);
      }
    }
  }
  return bytes;
}

function missing(error: unknown): null {
  if (isErrno(error) && (error.code === "ENOENT" || error.code === "ENOTDIR")) return null;
  throw error;
}
