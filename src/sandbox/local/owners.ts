/**
 * Directories that belong to live sandboxes and snapshots, and their removal when the process that owned them is gone.
 * The base directory is this user's alone; a directory without a readable owner file is removed once it is old.
 */
import { lstatSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { chmod, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isErrno, LachesisError, logger, processStart } from "../../core/index.ts";

interface Owner {
  pid: number;
  /** Field 22 of /proc/PID/stat: tells a process from a later one with the same id. */
  start: string;
  boot_id: string;
  label: string | null;
  kind: "sandbox" | "snapshot";
}

/** A directory that is just being made has no owner file yet. */
const GRACE_MS = 60_000;

let ownStart: string | null = null;
let bootId: string | null = null;
let counter = 0;
const checkedBases = new Set<string>();

/** Where this user's sandbox directories are. */
export function baseDirectory(): string {
  return join(tmpdir(), `lachesis-sandboxes-${process.getuid?.() ?? 0}`);
}

function checkedBase(): string {
  const base = baseDirectory();
  if (checkedBases.has(base)) return base;
  mkdirSync(base, { recursive: true, mode: 0o700 });
  const found = lstatSync(base);
  if (!found.isDirectory() || found.uid !== process.getuid?.() || (found.mode & 0o022) !== 0) {
    throw new LachesisError(
      "sandbox_create",
      `${base} belongs to someone else or others may write to it; remove it or set TMPDIR.`,
    );
  }
  checkedBases.add(base);
  return base;
}

/** Makes a directory of this process, with its owner file. */
export function makeOwned(kind: Owner["kind"], label: string | null): string {
  ownStart ??= processStart(process.pid);
  bootId ??= readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  const owner: Owner = { pid: process.pid, start: ownStart ?? "", boot_id: bootId, label, kind };
  for (;;) {
    const path = join(checkedBase(), `${kind}-${process.pid}-${counter++}-${Math.random().toString(36).slice(2, 8)}`);
    try {
      mkdirSync(path, { mode: 0o700 });
      writeFileSync(join(path, "owner.tmp"), JSON.stringify(owner), { mode: 0o600 });
      renameSync(join(path, "owner.tmp"), join(path, "owner.json"));
      return path;
    } catch (error) {
      if (isErrno(error) && error.code === "ENOENT" && checkedBases.delete(baseDirectory())) continue; // the base was cleaned away
      throw new LachesisError("sandbox_create", `No directory for a sandbox: ${String(error)}.`, { cause: error });
    }
  }
}

/** Removes a tree, also one whose directories deny access to their owner. */
export async function removeTree(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true });
  } catch (error) {
    if (!isErrno(error) || (error.code !== "EACCES" && error.code !== "EPERM")) throw error;
    await openUp(path);
    await rm(path, { recursive: true, force: true });
  }
}

async function openUp(path: string): Promise<void> {
  await chmod(path, 0o700);
  for (const entry of await readdir(path, { withFileTypes: true })) {
    if (entry.isDirectory()) await openUp(join(path, entry.name));
  }
}

let reaping: Promise<number> | null = null;

/** Removes, once per process, what dead processes left. Gives how many directories went. */
export function reapOnce(): Promise<number> {
  reaping ??= reap();
  return reaping;
}

/** Removes the directories whose owner is gone. */
export async function reap(): Promise<number> {
  const base = baseDirectory();
  let removed = 0;
  let names: string[];
  try {
    names = await readdir(base);
  } catch (error) {
    if (isErrno(error) && error.code === "ENOENT") return 0;
    throw error;
  }
  const boot = (await readFile("/proc/sys/kernel/random/boot_id", "utf8")).trim();
  for (const name of names) {
    const path = join(base, name);
    try {
      if (await isOrphan(path, boot)) {
        await removeTree(path);
        removed++;
      }
    } catch (error) {
      logger.warn({ path, error: String(error) }, "a directory of a former sandbox could not be removed");
    }
  }
  return removed;
}

async function isOrphan(path: string, boot: string): Promise<boolean> {
  try {
    const owner: unknown = JSON.parse(await readFile(join(path, "owner.json"), "utf8"));
    if (typeof owner !== "object" || owner === null || !("pid" in owner) || typeof owner.pid !== "number") return true;
    if (!("boot_id" in owner) || owner.boot_id !== boot) return true;
    return !("start" in owner) || processStart(owner.pid) !== owner.start;
  } catch (error) {
    if (!(error instanceof SyntaxError) && !(isErrno(error) && error.code === "ENOENT")) throw error;
    const found = await stat(path).catch(() => null);
    return found !== null && Date.now() - found.mtimeMs > GRACE_MS;
  }
}
