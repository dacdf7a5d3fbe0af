/**
 * One process per run directory. The lock names its owner's process and when that process started, so a lock whose owner
 * is dead (kill -9, power cut) is taken over, and a process id that was given out again is not mistaken for the owner.
 */
import { open, readFile, rename, rm } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { isErrno, isObject, LachesisError, processStart } from "../core/index.ts";

interface Owner {
  pid: number;
  host: string;
  /** Start time of the process in clock ticks since boot; null where the system does not tell. */
  started: string | null;
}

/** Takes the lock of a run directory and gives the function that returns it. Throws `conflict` while another process lives. */
export async function lockRun(directory: string): Promise<() => Promise<void>> {
  const path = join(directory, "run.lock");
  const mine = JSON.stringify({
    pid: process.pid,
    host: hostname(),
    started: processStart(process.pid),
  } satisfies Owner);
  for (let attempt = 0; attempt < 5; attempt++) {
    if (await createWith(path, mine)) {
      return async () => {
        if ((await textAt(path)) === mine) await rm(path, { force: true });
      };
    }
    const text = await textAt(path);
    if (text === null) continue;
    const owner = parseOwner(text);
    if (owner && isAlive(owner)) throw inUse(directory, owner);
    // Another process may be taking over the same dead lock: what was moved away must be the lock that was judged.
    const aside = `${path}.${process.pid}`;
    if (!(await moved(path, aside))) continue;
    if ((await textAt(aside)) !== text) await moved(aside, path);
    else await rm(aside, { force: true });
  }
  throw inUse(directory, null);
}

async function createWith(path: string, text: string): Promise<boolean> {
  try {
    const handle = await open(path, "wx");
    await handle.writeFile(text);
    await handle.close();
    return true;
  } catch (error) {
    if (isErrno(error) && error.code === "EEXIST") return false;
    throw error;
  }
}

async function textAt(path: string): Promise<string | null> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (isErrno(error) && error.code === "ENOENT") return null;
    throw error;
  }
}

async function moved(from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to);
    return true;
  } catch (error) {
    if (isErrno(error) && error.code === "ENOENT") return false;
    throw error;
  }
}

function parseOwner(text: string): Owner | null {
  try {
    const value: unknown = JSON.parse(text);
    if (!isObject(value) || typeof value.pid !== "number" || typeof value.host !== "string") return null;
    return { pid: value.pid, host: value.host, started: typeof value.started === "string" ? value.started : null };
  } catch {
    // A lock that was being written when its process was killed has no living owner.
    return null;
  }
}

function isAlive(owner: Owner): boolean {
  if (owner.host !== hostname()) return true;
  try {
    process.kill(owner.pid, 0);
  } catch (error) {
    if (isErrno(error) && error.code === "ESRCH") return false;
  }
  const started = processStart(owner.pid);
  if (started === "gone") return false;
  return started === null || owner.started === null || started === owner.started;
}

function inUse(directory: string, owner: Owner | null): LachesisError {
  const who = owner === null ? "another process" : `process ${owner.pid}`;
  const where = owner !== null && owner.host !== hostname() ? ` on ${owner.host}` : "";
  const advice = where ? ` If that process is gone, remove ${join(directory, "run.lock")}.` : "";
  return new LachesisError("conflict", `The run directory ${directory} is in use by ${who}${where}.${advice}`);
}
