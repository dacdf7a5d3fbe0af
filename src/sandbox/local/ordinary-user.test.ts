/**
 * The same sandbox for an ordinary user: when these tests run as root, the other files of this directory are run once
 * more under a user account that is made for them, without subordinate ids and without access to the host's root.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { accessSync, chmodSync, constants, cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { ALL_PASSED, runContract } from "./contract-run.fixture.ts";
import { helperProgram } from "./helper.ts";

const USER = "lachesis-test";
const root = fileURLToPath(new URL("../../../", import.meta.url));

function readableByAll(path: string): boolean {
  for (let at = path; at !== "/"; at = dirname(at)) {
    const mode = spawnSync("stat", ["-Lc", "%a", at], { encoding: "utf8" }).stdout.trim();
    if ((Number.parseInt(mode, 8) & 0o5) !== 0o5) return false;
  }
  return true;
}

const possible = process.getuid?.() === 0 && readableByAll(root) && readableByAll(process.execPath);

it.runIf(possible)("keeps the whole contract", { timeout: 300_000 }, () => {
  const made = spawnSync("useradd", ["--no-create-home", "--shell", "/bin/bash", USER]);
  if (made.status !== 0 && made.status !== 9) throw new Error(`useradd: ${made.stderr}`);
  spawnSync("sed", ["-i", `/^${USER}:/d`, "/etc/subuid", "/etc/subgid"]);
  const home = mkdtempSync(join(tmpdir(), "lachesis-user-"));
  const helper = join(home, "helper");
  try {
    const program = helperProgram();
    if (program.path === null) throw new Error(program.reason);
    cpSync(program.path, helper);
    chmodSync(helper, 0o755);
    accessSync(helper, constants.X_OK);
    execFileSync("chown", ["-R", USER, home]);
    const as = ["setpriv", `--reuid=${USER}`, `--regid=${USER}`, "--clear-groups", "--inh-caps=-all"];
    const { output, status } = runContract(as, { HOME: home, TMPDIR: home, LACHESIS_SANDBOX_HELPER: helper });
    expect(output).toContain(ALL_PASSED);
    expect(status).toBe(0);
  } finally {
    rmSync(home, { recursive: true, force: true });
    spawnSync("userdel", [USER]);
  }
});
