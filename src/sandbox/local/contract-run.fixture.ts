/** Runs the tests that every way of making a sandbox must pass once more, in a process of their own with another environment. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const FILES = ["attacks", "local", "snapshot", "transfers", "limits"];

/** What the output holds when no file failed. */
export const ALL_PASSED = `Test Files  ${FILES.length} passed`;

/** `as` is put before the command, such as setpriv with its options. */
export function runContract(
  as: readonly string[],
  env: Record<string, string>,
): { output: string; status: number | null } {
  const [program, ...args] = [
    ...as,
    process.execPath,
    join(root, "node_modules/vitest/vitest.mjs"),
    "run",
    "--root",
    root,
    "--configLoader",
    "runner",
    "--cache=false",
    "--reporter=default",
    "--no-color",
    ...FILES.map((name) => `src/sandbox/local/${name}.test.ts`),
  ];
  const { stdout, stderr, status } = spawnSync(program!, args, {
    encoding: "utf8",
    cwd: root,
    env: { PATH: process.env.PATH, ...env },
  });
  return { output: stdout + stderr, status };
}
