/** What `doctor` looks at on this machine. A check never throws: what cannot be found out is said. */
import { accessSync, constants, existsSync, statfsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { freemem, tmpdir, totalmem } from "node:os";
import { delimiter, join } from "node:path";
import { errorMessage } from "../core/index.ts";
import { probeSandbox } from "../sandbox/index.ts";

export interface Check {
  name: string;
  /** ok · note: works, with less · bad: the main job cannot run. */
  state: "ok" | "note" | "bad";
  found: string;
  /** What to do; null where nothing is to be done. */
  advice: string | null;
}

const check = (name: string, state: Check["state"], found: string, advice: string | null = null): Check => ({
  name,
  state,
  found,
  advice,
});
const GIB = 2 ** 30;
const gib = (bytes: number): string => `${(bytes / GIB).toFixed(1)} GiB`;

export function checkNode(version: string = process.versions.node): Check {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const isEnough = major > 22 || (major === 22 && minor >= 18);
  const found = `${version}, ${process.platform} ${process.arch}`;
  return isEnough ? check("Node", "ok", found) : check("Node", "bad", found, "install Node 22.18 or newer");
}

export async function checkSandbox(): Promise<Check[]> {
  const probe = await probeSandbox();
  if (probe.works) {
    const network = probe.checks.find(({ name, ok }) => name === "network" && !ok);
    const lines = [check("sandbox", "ok", "isolated sandboxes work")];
    const root = probe.checks.find(({ name, ok }) => name === "root file system" && !ok);
    if (root !== undefined)
      lines.push(check("sandbox images", "note", "snapshots and images cannot be used", root.detail));
    if (network !== undefined)
      lines.push(check("sandbox network", "note", "allow_network: true cannot be used", network.detail));
    return lines;
  }
  const failed = probe.checks.filter(({ ok, name }) => !ok && name !== "network");
  const found = "no isolation: the model's commands would run as plain processes of your user";
  return [
    check("sandbox", "note", found, probe.reason),
    ...failed.map(({ name, detail }) => check(`sandbox ${name}`, "note", "does not work", detail)),
  ];
}

export async function checkLimits(): Promise<Check[]> {
  const limits = await readFile("/proc/self/limits", "utf8").catch(() => null);
  if (limits === null) return [check("limits", "note", "cannot be read on this system")];
  const softOf = (name: string): number => {
    const text = new RegExp(`^${name}\\s+(\\S+)`, "m").exec(limits)?.[1];
    return text === undefined || text === "unlimited" ? Number.POSITIVE_INFINITY : Number(text);
  };
  const files = softOf("Max open files");
  const processes = softOf("Max processes");
  const shown = (value: number) => (Number.isFinite(value) ? String(value) : "unlimited");
  const memory = freemem();
  return [
    files < 1024
      ? check("open files", "bad", shown(files), "raise it: ulimit -n 65536")
      : files < 8192
        ? check(
            "open files",
            "note",
            `${shown(files)}, enough for about ${Math.floor(files / 8)} rollouts at once`,
            "for more: ulimit -n 65536",
          )
        : check("open files", "ok", shown(files)),
    processes < 512
      ? check("processes", "note", shown(processes), "sandboxes need some each; raise it: ulimit -u 8192")
      : check("processes", "ok", shown(processes)),
    memory < 0.5 * GIB
      ? check("memory", "note", `${gib(memory)} free of ${gib(totalmem())}`, "keep max_num_workers small")
      : check("memory", "ok", `${gib(memory)} free of ${gib(totalmem())}`),
  ];
}

export async function checkDisk(): Promise<Check[]> {
  const places: [string, string, string][] = [
    ["runs", process.cwd(), "start in another directory, or give --run-dir"],
    ["temporary files", tmpdir(), "set TMPDIR to a directory with room"],
  ];
  return places.map(([name, path, advice]) => {
    try {
      accessSync(path, constants.W_OK);
      const { bavail, bsize } = statfsSync(path);
      const free = bavail * bsize;
      const found = `${path}: ${gib(free)} free`;
      if (free < 0.05 * GIB) return check(name, "bad", found, `the disk is full; ${advice}`);
      return free < GIB ? check(name, "note", found, `little room; ${advice}`) : check(name, "ok", found);
    } catch (error) {
      return check(name, "bad", `${path}: ${errorMessage(error)}`, advice);
    }
  });
}

const KEYS: Record<string, string> = {
  OPENROUTER_API_KEY: "models at openrouter.ai",
  OPENAI_API_KEY: "models at api.openai.com",
  ANTHROPIC_API_KEY: "models at api.anthropic.com",
  HF_TOKEN: "gated data sets, models at Hugging Face",
  WANDB_API_KEY: "metrics at Weights & Biases",
  MODAL_TOKEN_ID: "Modal (with MODAL_TOKEN_SECRET)",
  MODAL_TOKEN_SECRET: "Modal (with MODAL_TOKEN_ID)",
  DAYTONA_API_KEY: "Daytona",
  TINKER_API_KEY: "Tinker",
};

/** Which keys are set. None is needed for the embedded model. */
export function checkKeys(environment: NodeJS.ProcessEnv = process.env): Check[] {
  const set = Object.keys(KEYS).filter((name) => environment[name]);
  const missing = Object.entries(KEYS).filter(([name]) => !environment[name]);
  const found = set.length === 0 ? "none is set; the embedded model needs none" : `set: ${set.join(", ")}`;
  const unset = missing.map(([name, use]) => `${name} (${use})`).join(", ");
  return [
    check(
      "keys",
      set.length === 0 ? "note" : "ok",
      found,
      missing.length === 0 ? null : `where needed, set in the environment or .env: ${unset}`,
    ),
  ];
}

const PROGRAMS: Record<string, string> = {
  git: "software-engineering environments",
  rg: "nothing in the sandbox needs it; search_files is quicker with it",
  slirp4netns: "sandboxes with allow_network: true",
  docker: "images for environments that need one",
};

export async function checkPrograms(): Promise<Check[]> {
  const folders = (process.env.PATH ?? "").split(delimiter).filter((folder) => folder !== "");
  const has = (name: string) => folders.some((folder) => existsSync(join(folder, name)));
  const missing = Object.entries(PROGRAMS).filter(([name]) => !has(name));
  const found = Object.keys(PROGRAMS).filter((name) => !missing.some(([other]) => other === name));
  const lines = [
    check("optional programs", "ok", found.length === 0 ? "none of them is needed" : `there: ${found.join(", ")}`),
  ];
  for (const [name, use] of missing) lines.push(check(name, "note", "is not installed", `for: ${use}`));
  return lines;
}
