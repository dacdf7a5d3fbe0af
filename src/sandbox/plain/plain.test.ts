import { readFileSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import type { Sandbox } from "../contract.ts";
import { createPlainSandbox } from "./index.ts";

const open: Sandbox[] = [];
async function make(): Promise<Sandbox> {
  const sandbox = await createPlainSandbox({ env: { GREETING: "hello" } });
  open.push(sandbox);
  return sandbox;
}
afterEach(async () => {
  for (const sandbox of open.splice(0)) await sandbox.destroy();
});

/** A zombie counts as dead: who reaps it is the machine's business. */
function alive(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return !["Z", "X"].includes(stat.slice(stat.lastIndexOf(")") + 2)[0]!);
  } catch {
    return false;
  }
}

describe("the plain sandbox", () => {
  it("runs scripts and argument vectors with a scrubbed environment", async () => {
    process.env.LACHESIS_TEST_SECRET = "do-not-show";
    const sandbox = await make();
    const { stdout, exitCode } = await sandbox.exec("env; pwd; exit 3");
    delete process.env.LACHESIS_TEST_SECRET;
    expect(stdout).not.toContain("do-not-show");
    expect(stdout).toContain("GREETING=hello");
    expect(stdout).toContain(sandbox.workdir);
    expect(exitCode).toBe(3);
    expect((await sandbox.exec(["printf", "%s", "a  b"])).stdout).toBe("a  b");
    expect(sandbox.isolated).toBe(false);
  });

  it("says cancelled with a code, whatever the signal's reason is", async () => {
    const signal = AbortSignal.abort("a reason of the caller's");
    const sandbox = await make();
    await expect(sandbox.exec("true", { signal })).rejects.toMatchObject({ code: "cancelled" });
    await expect(createPlainSandbox({ signal })).rejects.toMatchObject({ code: "cancelled" });
  });

  it("keeps the order of merged output, passes stdin and caps what it keeps", async () => {
    const sandbox = await make();
    const merged = await sandbox.exec("echo 1; echo 2 >&2; echo 3", { mergeOutput: true });
    expect(merged.stdout).toBe("1\n2\n3\n");
    expect((await sandbox.exec("cat", { stdin: "in" })).stdout).toBe("in");
    const capped = await sandbox.exec("head -c 5000000 /dev/zero", { maxBytes: 1000, encoding: "buffer" });
    expect(capped.stdout.length).toBe(1000);
    expect(capped.truncated).toBe(true);
    expect(capped.exitCode).toBe(0);
  });

  it("kills the whole tree on time-out, double forks and new sessions included", async () => {
    const sandbox = await make();
    const result = await sandbox.exec(
      "trap '' TERM HUP; (setsid bash -c 'echo $$ > a; exec sleep 100' & ) ; echo $$ > b; sleep 100",
      { timeoutMs: 500 },
    );
    expect(result).toMatchObject({ timedOut: true, exitCode: null });
    for (const name of ["a", "b"]) {
      const pid = Number(Buffer.from(await sandbox.readFile(name)).toString());
      expect(alive(pid)).toBe(false);
    }
  });

  it("lets background jobs outlive their command, but not the sandbox", async () => {
    const sandbox = await make();
    const { stdout } = await sandbox.exec("sleep 100 & echo $!");
    const pid = Number(stdout);
    expect(alive(pid)).toBe(true);
    await sandbox.exec("true", { timeoutMs: 1000 });
    expect(alive(pid)).toBe(true);
    await sandbox.destroy();
    expect(alive(pid)).toBe(false);
    await expect(sandbox.exec("true")).rejects.toMatchObject({ code: "sandbox_closed" });
    expect(await sandbox.closed).toBeNull();
  });

  it("spawns processes with input, and on a pseudo-terminal", async () => {
    const sandbox = await make();
    let output = "";
    const cat = await sandbox.spawn(["cat"], { onOutput: (chunk) => (output += Buffer.from(chunk).toString()) });
    await cat.write("one\n");
    await cat.closeStdin();
    expect(await cat.exited).toEqual({ exitCode: 0, signal: null });
    expect(output).toBe("one\n");
    output = "";
    const tty = await sandbox.spawn("test -t 0 && test -t 1 && stty size", {
      pty: { rows: 30, cols: 120 },
      onOutput: (chunk) => (output += Buffer.from(chunk).toString()),
    });
    expect((await tty.exited).exitCode).toBe(0);
    expect(output).toContain("30 120");
  });

  it("reads and writes raw bytes, keeps modes, follows links, refuses what is no file", async () => {
    const sandbox = await make();
    const bytes = Uint8Array.from({ length: 1000 }, (_, index) => index % 256);
    await sandbox.writeFile("new dir/a\nb", bytes);
    expect(await sandbox.readFile("new dir/a\nb")).toEqual(Buffer.from(bytes));
    expect(await sandbox.readFile("new dir/a\nb", { offset: 990, length: 50 })).toEqual(Buffer.from(bytes.slice(990)));
    await sandbox.exec("echo old > run.sh; chmod 755 run.sh; ln -s run.sh link; mkfifo pipe; mkdir sub");
    await sandbox.writeFile("link", "new");
    expect(await sandbox.stat("run.sh")).toMatchObject({ type: "file", size: 3, mode: 0o755 });
    expect(await sandbox.stat("link", { followSymlinks: false })).toMatchObject({ type: "symlink" });
    expect(await sandbox.stat("nothing")).toBeNull();
    for (const [path, errno] of [
      ["missing", "ENOENT"],
      ["sub", "EISDIR"],
      ["pipe", "EINVAL"],
    ]) {
      await expect(sandbox.readFile(path!)).rejects.toMatchObject({ code: "sandbox_io", details: { errno } });
    }
  });

  it("moves trees in and out without links that leave them", async () => {
    const sandbox = await make();
    const host = await mkdtemp(join(tmpdir(), "lachesis-test-"));
    try {
      await mkdir(join(host, "in/deep"), { recursive: true });
      await writeFile(join(host, "in/deep/x.bin"), Buffer.from([0, 255, 10]));
      await symlink("deep/x.bin", join(host, "in/inside"));
      await symlink("../../x", join(host, "in/deep/above"));
      await symlink("/etc/passwd", join(host, "in/outside"));
      expect(await sandbox.upload(join(host, "in"), "tree")).toBe(3);
      expect((await sandbox.exec("ls tree")).stdout).toBe("deep\ninside\n");
      await sandbox.exec("ln -s /etc/passwd tree/deep/leak; chmod u+s tree/deep/x.bin");
      expect(await sandbox.download("tree", join(host, "out"))).toBe(3);
      expect(await readFile(join(host, "out/deep/x.bin"))).toEqual(Buffer.from([0, 255, 10]));
      await expect(readFile(join(host, "out/deep/leak"))).rejects.toMatchObject({ code: "ENOENT" });
    } finally {
      await rm(host, { recursive: true });
    }
  });

  it("forks from a snapshot, even after its origin is gone", async () => {
    const sandbox = await make();
    await sandbox.writeFile("f", "origin");
    const snapshot = await sandbox.snapshot();
    await sandbox.destroy();
    const one = await snapshot.fork();
    const two = await snapshot.fork();
    open.push(one, two);
    await one.writeFile("f", "changed");
    expect(Buffer.from(await two.readFile("f")).toString()).toBe("origin");
    await snapshot.release();
  });

  it("fails closed when isolation is required", async () => {
    await expect(createPlainSandbox({ require_sandbox: true })).rejects.toMatchObject({ code: "sandbox_unavailable" });
  });
});
