/**
 * The directory of one run. `run.json` says what the run is: environment, mode and configuration (without secrets). A
 * run is only continued with the configuration that it was started with.
 */
import { createHash } from "node:crypto";
import { mkdir, open, readdir, readFile, rename, rm } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { isErrno, isObject, LachesisError } from "../core/index.ts";
import { readJournal } from "./journal.ts";
import { lockRun } from "./run-lock.ts";

export type RunMode = "process" | "evaluate" | "serve";

/** What identifies a run. */
export interface RunIdentity {
  environment: string;
  mode: RunMode;
  /** The resolved configuration without secrets. */
  config: Record<string, unknown>;
}

/** The content of run.json. */
export interface RunFile extends RunIdentity {
  format: 1;
  started_at: string;
  /** Where groups are written, when not in the run directory. */
  groups_path?: string;
}

export interface RunDirectory {
  path: string;
  file: RunFile;
  /** True when the run was begun by an earlier process. */
  resumed: boolean;
  release(): Promise<void>;
}

export interface OpenRunOptions {
  /** null: a new one under `root`. */
  directory: string | null;
  /** Continue the newest run of the same identity, if there is one. */
  resume: boolean;
  /** Default `runs`. */
  root?: string;
  now?: Date;
}

/**
 * Makes or continues a run directory and locks it.
 * Throws `config_invalid` where another configuration was used there, `conflict` where another process is at work.
 */
export async function openRun(identity: RunIdentity, options: OpenRunOptions): Promise<RunDirectory> {
  const root = options.root ?? "runs";
  const now = options.now ?? new Date();
  const newest = options.resume && options.directory === null ? await newestRun(root, identity) : null;
  if (options.resume && newest === null && options.directory === null) {
    process.stderr.write(
      `--resume: there is no run of ${identity.environment} with this configuration below ${root}; a new one begins.\n`,
    );
  }
  const path = resolve(options.directory ?? newest ?? (await freshDirectory(root, identity.environment, now)));
  await mkdir(path, { recursive: true });
  const release = await lockRun(path);
  try {
    const earlier = await readRunFile(path);
    const differences = earlier ? differencesOf(earlier, identity) : [];
    if (earlier && differences.length === 0) return { path, file: earlier, resumed: true, release };
    if (earlier && (await hasResults(path))) throw otherRun(path, differences);
    // Nothing was made yet, as when a setup failed: the corrected command starts afresh.
    if (earlier) await rm(join(path, "journal.jsonl"), { force: true });
    else await assertNoForeignJournal(path);
    const file: RunFile = { format: 1, ...identity, started_at: now.toISOString() };
    await writeRunFile(path, file);
    return { path, file, resumed: false, release };
  } catch (error) {
    await release();
    throw error;
  }
}

/** Writes run.json so that a reader sees the old one or the new one, never a part. */
export async function writeRunFile(path: string, file: RunFile): Promise<void> {
  await writeAtomically(join(path, "run.json"), `${JSON.stringify(file, null, 2)}\n`);
}

/** Replaces a small file as a whole. */
export async function writeAtomically(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    const handle = await open(temporary, "w");
    try {
      await handle.writeFile(text);
      await handle.datasync();
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
  } catch (error) {
    // On a full disk what was written of it only takes the room that others need.
    await rm(temporary, { force: true });
    throw error;
  }
}

/** null where there is no run. */
export async function readRunFile(path: string): Promise<RunFile | null> {
  let text: string;
  try {
    text = await readFile(join(path, "run.json"), "utf8");
  } catch (error) {
    if (isErrno(error) && (error.code === "ENOENT" || error.code === "ENOTDIR")) return null;
    throw error;
  }
  const value = parsed(text);
  if (!isObject(value) || value.format !== 1 || !isObject(value.config)) {
    throw new LachesisError("data_invalid", `${join(path, "run.json")} is not a run file of this version of Lachesis.`);
  }
  return value as unknown as RunFile;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Reported by the caller as a file that is no run file.
    return null;
  }
}

/** The newest directory under `root` with a run of the same environment, mode and configuration. */
async function newestRun(root: string, identity: RunIdentity): Promise<string | null> {
  const names = await readdir(root).catch((error: unknown) => {
    if (isErrno(error) && error.code === "ENOENT") return [];
    throw error;
  });
  let newest: { path: string; started: string } | null = null;
  for (const name of names) {
    const path = join(root, name);
    const file = await readRunFile(path).catch(() => null);
    if (!file || file.environment !== identity.environment || file.mode !== identity.mode) continue;
    if (configDifferences(file.config, identity.config).length > 0) continue;
    if (newest === null || file.started_at > newest.started) newest = { path, started: file.started_at };
  }
  return newest?.path ?? null;
}

async function freshDirectory(root: string, name: string, now: Date): Promise<string> {
  const stamp = now.toISOString().slice(0, 19).replace("T", "-").replaceAll(":", "");
  await mkdir(root, { recursive: true });
  for (let number = 1; ; number++) {
    const path = join(root, `${fileSafe(name)}-${stamp}${number === 1 ? "" : `-${number}`}`);
    try {
      await mkdir(path);
      return path;
    } catch (error) {
      if (!isErrno(error) || error.code !== "EEXIST") throw error;
    }
  }
}

/** The text as a file name; names that lose something get a short hash, so that different ones stay different. */
export function fileSafe(name: string): string {
  const safe = name.replace(/[^\w.-]+/g, "_").slice(0, 80);
  if (safe === name && !/^\.+$/.test(safe)) return safe;
  return `${safe.replace(/^\.+/, "")}-${createHash("sha256").update(name).digest("hex").slice(0, 8)}`;
}

/** Whether the journal names anything that was finished or paid for. */
async function hasResults(path: string): Promise<boolean> {
  const { rollouts, groups, retries, damaged } = await readJournal(join(path, "journal.jsonl"));
  return rollouts.size > 0 || groups.size > 0 || retries.length > 0 || damaged > 0;
}

async function assertNoForeignJournal(path: string): Promise<void> {
  const names = await readdir(path);
  if (!names.includes("journal.jsonl")) return;
  throw new LachesisError(
    "config_invalid",
    `--run-dir ${path}: it has a journal but no run.json; choose another directory.`,
  );
}

function differencesOf(earlier: RunFile, now: RunIdentity): string[] {
  const differences: string[] = [];
  if (earlier.environment !== now.environment) {
    differences.push(`environment: ${earlier.environment} there, ${now.environment} now`);
  }
  if (earlier.mode !== now.mode) differences.push(`mode: ${earlier.mode} there, ${now.mode} now`);
  return differences.length > 0 ? differences : configDifferences(earlier.config, now.config);
}

function otherRun(path: string, differences: readonly string[]): LachesisError {
  const shown = differences.slice(0, 12);
  const more = differences.length - shown.length;
  return new LachesisError(
    "config_invalid",
    [
      `--run-dir ${path}: a run with another configuration is there. What differs:`,
      ...shown.map((line) => `  ${line}`),
      ...(more > 0 ? [`  and ${more} more`] : []),
      "Use the same configuration to continue it, or another directory.",
    ].join("\n"),
  );
}

/** One line for each field whose value differs, such as `env.group_size: 4 there, 8 now`. */
export function configDifferences(there: unknown, now: unknown, path = ""): string[] {
  if (isObject(there) && isObject(now)) {
    return [...new Set([...Object.keys(there), ...Object.keys(now)])].flatMap((key) =>
      configDifferences(there[key], now[key], path === "" ? key : `${path}.${key}`),
    );
  }
  if (Array.isArray(there) && Array.isArray(now) && there.length === now.length && there.some(isObject)) {
    return there.flatMap((value, index) =>
      configDifferences(value, now[index], there.length === 1 ? path : `${path}.${index}`),
    );
  }
  const [before, after] = [JSON.stringify(there) ?? "absent", JSON.stringify(now) ?? "absent"];
  return before === after ? [] : [`${path}: ${cut(before)} there, ${cut(after)} now`];
}

function cut(text: string): string {
  return text.length > 120 ? `${text.slice(0, 117)}...` : text;
}
