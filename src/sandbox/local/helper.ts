/**
 * Finds the helper program: the prebuilt one of this architecture; else one that is compiled once from the sources in the
 * package, when a C compiler is there; else the same helper in Perl, which every Debian has and which needs no binary.
 * Each is tried before it is taken. Gives null with a reason when none can be had.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  accessSync,
  chmodSync,
  constants,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
} from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { errorMessage, isErrno, LachesisError } from "../../core/index.ts";

/** A program with its first arguments. */
export interface HelperCommand {
  path: string;
  args: readonly string[];
}
export type HelperProgram =
  | (HelperCommand & { origin: "prebuilt" | "compiled" | "perl" })
  | { path: null; reason: string };

const native = fileURLToPath(new URL("../../../native/", import.meta.url));
const NAME = "lachesis-sandbox";

let found: HelperProgram | null = null;

/** The helper for this machine. The first call may compile; later calls are free. */
export function helperProgram(): HelperProgram {
  found ??= locate();
  return found;
}

function locate(): HelperProgram {
  if (process.platform !== "linux") {
    return {
      path: null,
      reason: `Sandboxes need Linux namespaces; this is ${process.platform}. Use a Linux machine or container.`,
    };
  }
  const chosen = process.env.LACHESIS_SANDBOX_HELPER;
  if (chosen === "perl") return perlHelper([]);
  if (chosen)
    return isExecutable(chosen)
      ? { path: chosen, args: [], origin: "prebuilt" }
      : { path: null, reason: `LACHESIS_SANDBOX_HELPER=${chosen} cannot be executed.` };
  const prebuilt = join(native, "prebuilt", process.arch, NAME);
  if (isExecutable(prebuilt)) return { path: prebuilt, args: [], origin: "prebuilt" };
  const problems: string[] = [];
  for (const [origin, find] of [
    ["prebuilt", () => copyToCache(prebuilt)],
    ["compiled", compile],
  ] as const) {
    try {
      const path = find();
      check({ path, args: [] });
      return { path, args: [], origin };
    } catch (error) {
      problems.push(errorMessage(error));
    }
  }
  return perlHelper(problems);
}

/** A helper whose input ends at once ends without a word. Throws when this one does anything else. */
function check({ path, args }: HelperCommand): void {
  const { status, signal, error } = spawnSync(path, [...args], { input: "", env: {}, timeout: 20_000 });
  if (error || status !== 0) {
    throw new LachesisError("sandbox_unavailable", `${path} does not run (${error?.message ?? signal ?? status})`);
  }
}

/** Needs perl of at least Debian's perl-base, and an architecture whose system calls it knows. */
function perlHelper(problems: readonly string[]): HelperProgram {
  const command = { path: "/usr/bin/perl", args: [join(native, "fallback", `${NAME}.pl`)] };
  try {
    check(command);
    return { ...command, origin: "perl" };
  } catch (error) {
    const all = [...problems, errorMessage(error)].join("; ");
    return {
      path: null,
      reason: `There is no sandbox helper that runs here (${process.arch}): ${all}. Install a C compiler, or perl.`,
    };
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch (error) {
    if (isErrno(error)) return false;
    throw error;
  }
}

function cacheDirectory(): string {
  const directory = join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "lachesis");
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  return directory;
}

/** Some ways of unpacking a package lose the executable bit, or put it where nothing may be executed. */
function copyToCache(path: string): string {
  if (!existsSync(path)) throw new LachesisError("not_found", `there is no prebuilt one for ${process.arch}`);
  const digest = createHash("sha256").update(readFileSync(path)).digest("hex").slice(0, 16);
  const target = join(cacheDirectory(), `${NAME}-${digest}`);
  if (existsSync(target)) return target;
  const temporary = `${target}.${process.pid}`;
  copyFileSync(path, temporary);
  chmodSync(temporary, 0o700);
  renameSync(temporary, target);
  return target;
}

/** For architectures without a prebuilt binary. */
function compile(): string {
  const sources = readdirSync(join(native, "src"))
    .filter((name) => /\.[ch]$/.test(name))
    .sort();
  const hash = createHash("sha256").update(process.arch);
  for (const name of sources) hash.update(readFileSync(join(native, "src", name)));
  const target = join(cacheDirectory(), `${NAME}-${hash.digest("hex").slice(0, 16)}`);
  if (existsSync(target)) return target;
  const compiler = process.env.CC || "cc";
  const files = sources.filter((name) => name.endsWith(".c")).map((name) => join(native, "src", name));
  const temporary = `${target}.${process.pid}`;
  const { status, stderr, error } = spawnSync(compiler, ["-std=gnu17", "-O2", "-o", temporary, ...files], {
    encoding: "utf8",
  });
  if (error || status !== 0) {
    const why = error ? `could not be run (${error.message})` : `failed: ${stderr.split("\n")[0]}`;
    throw new LachesisError("sandbox_unavailable", `the C compiler ${compiler} ${why}`);
  }
  renameSync(temporary, target);
  return target;
}
