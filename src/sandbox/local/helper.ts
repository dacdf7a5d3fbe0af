/**
 * Finds the helper program: the prebuilt one of this architecture, else one that is compiled once from the sources in
 * the package, when a C compiler is there. Gives null with a reason when neither can be had.
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
import { isErrno } from "../../core/index.ts";

export type HelperProgram = { path: string; origin: "prebuilt" | "compiled" } | { path: null; reason: string };

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
  if (chosen)
    return isExecutable(chosen)
      ? { path: chosen, origin: "prebuilt" }
      : { path: null, reason: `LACHESIS_SANDBOX_HELPER=${chosen} cannot be executed.` };
  const prebuilt = join(native, "prebuilt", process.arch, NAME);
  if (existsSync(prebuilt)) {
    if (isExecutable(prebuilt)) return { path: prebuilt, origin: "prebuilt" };
    return { path: copyToCache(prebuilt), origin: "prebuilt" };
  }
  return compile();
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

/** Some ways of unpacking a package lose the executable bit. */
function copyToCache(path: string): string {
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
function compile(): HelperProgram {
  const sources = readdirSync(join(native, "src"))
    .filter((name) => /\.[ch]$/.test(name))
    .sort();
  const hash = createHash("sha256").update(process.arch);
  for (const name of sources) hash.update(readFileSync(join(native, "src", name)));
  const target = join(cacheDirectory(), `${NAME}-${hash.digest("hex").slice(0, 16)}`);
  if (existsSync(target)) return { path: target, origin: "compiled" };
  const compiler = process.env.CC || "cc";
  const files = sources.filter((name) => name.endsWith(".c")).map((name) => join(native, "src", name));
  const temporary = `${target}.${process.pid}`;
  const { status, stderr, error } = spawnSync(compiler, ["-std=gnu17", "-O2", "-o", temporary, ...files], {
    encoding: "utf8",
  });
  if (error || status !== 0) {
    const why = error
      ? `the C compiler ${compiler} could not be run (${error.message})`
      : `${compiler} failed: ${stderr.split("\n")[0]}`;
    return {
      path: null,
      reason: `There is no prebuilt sandbox helper for ${process.arch}, and ${why}. Install a C compiler.`,
    };
  }
  renameSync(temporary, target);
  return { path: target, origin: "compiled" };
}
