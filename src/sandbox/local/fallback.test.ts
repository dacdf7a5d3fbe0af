/** The helper that needs no binary keeps the same contract, and is found where no other can be had. */
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { ALL_PASSED, runContract } from "./contract-run.fixture.ts";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const hasPerl = spawnSync("/usr/bin/perl", ["-e", "1"]).status === 0;

it.runIf(hasPerl)("keeps the whole contract", { timeout: 300_000 }, () => {
  const home = mkdtempSync(join(tmpdir(), "lachesis-fallback-"));
  try {
    const { output, status } = runContract([], { HOME: home, TMPDIR: home, LACHESIS_SANDBOX_HELPER: "perl" });
    expect(output).toContain(ALL_PASSED);
    expect(status).toBe(0);
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
});

it.runIf(hasPerl)("is taken where there is neither a prebuilt helper nor a compiler", () => {
  const copy = mkdtempSync(join(tmpdir(), "lachesis-no-binary-"));
  try {
    for (const name of ["src/core", "src/sandbox", "native/src", "native/fallback", "package.json"])
      cpSync(join(root, name), join(copy, name), { recursive: true });
    symlinkSync(join(root, "node_modules"), join(copy, "node_modules"));
    const script = `const { createSandbox, probeSandbox } = await import(${JSON.stringify(join(copy, "src/sandbox/index.ts"))});
      const s = await createSandbox({ require_sandbox: true }); console.log((await s.exec("id -u; exit 3")).exitCode);
      await s.destroy(); console.log((await probeSandbox()).checks[0].detail);`;
    const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", script], {
      encoding: "utf8",
      env: { PATH: "/usr/bin:/bin", CC: "/nowhere/cc", HOME: copy, XDG_CACHE_HOME: join(copy, "cache") },
      cwd: root,
    });
    expect(stdout + stderr).toMatch(/^3\nperl: \/usr\/bin\/perl .*lachesis-sandbox\.pl\n$/);
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
});
