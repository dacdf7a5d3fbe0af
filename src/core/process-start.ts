/**
 * When a process started, as the system counts it: tells a process from a later one that got the same id. A process
 * that ended and that nobody has waited for yet counts as gone, since it holds nothing any more.
 */
import { readFileSync } from "node:fs";
import { isErrno } from "./errors.ts";

/** Field 22 of /proc/PID/stat; `gone` where no such process runs; null where the system does not tell (not Linux). */
export function processStart(pid: number): string | null {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  } catch (error) {
    if (!isErrno(error) || (error.code !== "ENOENT" && error.code !== "ESRCH")) throw error;
    return process.platform === "linux" ? "gone" : null;
  }
  // The command may hold spaces and parentheses, so the fields are counted from its end.
  const [state, ...fields] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return state === "Z" || state === "X" ? "gone" : (fields[18] ?? null);
}
