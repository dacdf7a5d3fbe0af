/**
 * `npm run` starts a shell and the shell starts the script; `kill -9` of npm leaves both. A script that is to end with npm
 * watches who its ancestors are: they change when one of them ends.
 */
import { readFileSync } from "node:fs";
import { isErrno } from "lachesis/core";

const EVERY_MS = 500;
const SHELL = /^(sh|dash|bash|ash|ksh|zsh|busybox)$/;

/** Calls `stop` once when npm, or the shell between, is gone. Without npm nothing is watched: nohup and setsid keep their sense. */
export function whenNpmEnds(stop: () => void): void {
  if (process.env.npm_lifecycle_event === undefined) return;
  const first = ancestors();
  const watch = setInterval(() => {
    if (ancestors() === first) return;
    clearInterval(watch);
    stop();
  }, EVERY_MS);
  watch.unref();
}

/** Some shells become the script instead of waiting for it; then npm is the parent, and who started npm does not matter. */
function ancestors(): string {
  const parent = process.ppid;
  const { Name: name = "", PPid: grandparent = "" } = statusOf(parent);
  return SHELL.test(name) ? `${parent} ${grandparent}` : String(parent);
}

/** Of /proc; empty where there is none. */
function statusOf(pid: number): Record<string, string> {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/status`, "utf8");
  } catch (error) {
    if (isErrno(error)) return {};
    throw error;
  }
  return Object.fromEntries([...text.matchAll(/^(\w+):\s*(.*)$/gm)].map(([, name, value]) => [name, value]));
}
