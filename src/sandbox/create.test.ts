/** Which backend is chosen, what is refused, and what is said when isolation can't be had. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createSandbox, probeSandbox } from "./index.ts";

const index = new URL("./index.ts", import.meta.url).href;

/** Runs a module in a process of its own, since the choice of the helper is made once per process. */
function inProcess(code: string, env: Record<string, string> = {}): { stdout: string; stderr: string } {
  const script = `const { createSandbox, probeSandbox } = await import(${JSON.stringify(index)}); ${code}`;
  return spawnSync(process.execPath, ["--input-type=module", "-e", script], {
    encoding: "utf8",
    env: { ...process.env, ...env },
  });
}

it("falls back to plain processes with a warning that can't be overlooked, once", () => {
  const { stdout, stderr } = inProcess(
    "for (let i = 0; i < 2; i++) { const s = await createSandbox(); console.log(s.backend, s.isolated, (await s.exec('echo hi')).stdout.trim()); await s.destroy(); }",
    { LACHESIS_SANDBOX_HELPER: "/nowhere", LACHESIS_LOG_LEVEL: "silent" },
  );
  expect(stdout).toBe("plain false hi\nplain false hi\n");
  expect(stderr.match(/NO ISOLATION/g)).toHaveLength(1);
  expect(stderr).toContain("LACHESIS_SANDBOX_HELPER=/nowhere cannot be executed");
});

it("fails closed when a sandbox is required, or an image is asked for", () => {
  const { stdout, stderr } = inProcess(
    "for (const o of [{ require_sandbox: true }, { image: 'rootfs:/usr' }, { backend: 'plain', require_sandbox: true }]) await createSandbox(o).catch((e) => console.log(e.code, e.message.includes('cannot be executed')));",
    { LACHESIS_SANDBOX_HELPER: "/nowhere" },
  );
  expect(stdout).toBe("sandbox_unavailable true\nsandbox_unavailable true\nsandbox_unavailable false\n");
  expect(stderr).not.toContain("require_sandbox: true to refuse"); // nothing ran, so there is nothing to warn of
});

it("compiles the helper where no prebuilt one fits", { timeout: 180_000 }, ({ skip }) => {
  if (spawnSync("cc", ["--version"]).status !== 0) skip("no C compiler is installed");
  const cache = mkdtempSync(join(tmpdir(), "lachesis-cache-"));
  try {
    const code =
      "const s = await createSandbox({ require_sandbox: true }); console.log((await s.exec('echo compiled')).stdout); await s.destroy(); console.log((await probeSandbox()).checks[0].detail)";
    const { stdout, stderr } = inProcess(`Object.defineProperty(process, 'arch', { value: 'other' }); ${code}`, {
      XDG_CACHE_HOME: cache,
      LACHESIS_SANDBOX_HELPER: "",
    });
    expect(stdout + stderr).toMatch(/^compiled\n\ncompiled: /);
  } finally {
    rmSync(cache, { recursive: true });
  }
});

it("says what works here", async () => {
  const probe = await probeSandbox();
  expect(probe).toMatchObject({
    works: true,
    checks: [
      { name: "helper", ok: true },
      { name: "namespaces", ok: true },
      { name: "root file system", ok: true },
      { name: "network" },
    ],
  });
  const { stdout } = inProcess("const p = await probeSandbox(); console.log(p.works, p.reason)", {
    LACHESIS_SANDBOX_HELPER: "/nowhere",
  });
  expect(stdout).toMatch(/^false .*cannot be executed/);
});

it("loads no backend before the first sandbox", () => {
  const { stdout } = inProcess(
    "console.log(process.moduleLoadList.filter((name) => name.includes('child_process')).length)",
  );
  expect(stdout).toBe("0\n");
});

describe("options", () => {
  it("refuses misspelt ones, and plain processes where isolation is required", async () => {
    const limits = { memory: 5 } as unknown as { memory_mb: number };
    await expect(createSandbox({ limits })).rejects.toThrow(/no option memory\. There are memory_mb/);
    await expect(createSandbox({ memory_mb: 5 } as object)).rejects.toThrow(/no option memory_mb/);
    await expect(createSandbox({ backend: "plain", require_sandbox: true })).rejects.toMatchObject({
      code: "sandbox_unavailable",
    });
  });
});
