/**
 * Finds and kills everything that a command of the plain backend started. A process is recognised by a marker in its
 * environment, by its ancestors, its process group or its session, so that double forks and setsid do not hide it. Without
 * namespaces a program that clears its environment and leaves its session in the same moment can get away; the plain
 * backend is no prison and says so.
 */
import { readdir, readFile } from "node:fs/promises";

interface ProcessFacts {
  pid: number;
  parent: number;
  group: number;
  session: number;
}

/** Kills all processes whose environment holds `marker`, those of the group `leader`, and their descendants. */
export async function killMarked(marker: string, leaders: readonly number[]): Promise<void> {
  const doomed = new Set<number>();
  for (let round = 0; round < 20; round++) {
    const found = await marked(marker, leaders, doomed);
    if (found.length === 0) return;
    for (const pid of found) {
      doomed.add(pid);
      kill(pid);
    }
    await new Promise((resolve) => setTimeout(resolve, round < 5 ? 2 : 20));
  }
}

async function marked(marker: string, leaders: readonly number[], doomed: ReadonlySet<number>): Promise<number[]> {
  const all = await processes();
  const chosen = new Set<number>();
  for (const { pid, group, session } of all) {
    if (pid === process.pid) continue;
    if (leaders.includes(group) || leaders.includes(session) || doomed.has(pid) || (await hasMarker(pid, marker))) {
      chosen.add(pid);
    }
  }
  for (let grew = true; grew; ) {
    grew = false;
    for (const { pid, parent } of all) {
      if (!chosen.has(pid) && chosen.has(parent)) {
        chosen.add(pid);
        grew = true;
      }
    }
  }
  return [...chosen];
}

async function processes(): Promise<ProcessFacts[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name)).map(Number);
  const facts = await Promise.all(pids.map(factsOf));
  return facts.filter((entry) => entry !== null);
}

async function factsOf(pid: number): Promise<ProcessFacts | null> {
  const stat = await readFile(`/proc/${pid}/stat`, "latin1").catch(() => null); // ended meanwhile
  if (stat === null) return null;
  const [state, parent, group, session] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  if (state === "Z" || state === "X") return null;
  return { pid, parent: Number(parent), group: Number(group), session: Number(session) };
}

async function hasMarker(pid: number, marker: string): Promise<boolean> {
  const environment = await readFile(`/proc/${pid}/environ`, "latin1").catch(() => ""); // ended, or another user's
  return environment.split("\0").some((entry) => entry === marker || entry.startsWith(`${marker}.`));
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
