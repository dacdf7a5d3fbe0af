/**
 * Loaded before a demo's program (`node --import`): when the demo is gone, even by `kill -9`, the program is told to stop,
 * and after a while it is killed with everything that it started. The sign is the end of standard input, a pipe that the
 * demo holds open and that only the system closes for a dead process.
 */
import { fstatSync } from "node:fs";
import { isMainThread } from "node:worker_threads";

const GRACE_MS = 12_000;

// Threads and forks inherit the flag; they end with the process that they belong to.
if (isMainThread && fstatSync(0).isSocket()) {
  process.stdin.once("close", end).resume();
  // It must not keep a program running whose work is done.
  (process.stdin as NodeJS.ReadStream & { unref(): void }).unref();
}

/** The program was started as the leader of a group of its own. */
function end(): void {
  setTimeout(() => process.kill(-process.pid, "SIGKILL"), GRACE_MS).unref();
  process.kill(-process.pid, "SIGTERM");
}
