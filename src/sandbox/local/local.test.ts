/** The contract of a sandbox, kept by the local backend with real processes. */

import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Sandbox } from "../contract.ts";
import { createSandbox } from "../index.ts";

let sandbox: Sandbox;
beforeAll(async () => {
  sandbox = await createSandbox({
    require_sandbox: true,
    env: { GREETING: "hello there" },
    limits: { memory_mb: 512, disk_mb: 128 },
  });
});
afterAll(() => sandbox.destroy());

describe("exec", () => {
  it("runs a script and an argument vector", async () => {
    expect(await sandbox.exec("echo out; echo err >&2; exit 3")).toMatchObject({
      stdout: "out\n",
      stderr: "err\n",
      exitCode: 3,
      timedOut: false,
      truncated: false,
    });
    expect(await sandbox.exec(["printf", "%s|", "a b", "", "$HOME", "é\n"])).toMatchObject({
      stdout: "a b||$HOME|é\n|",
      exitCode: 0,
    });
  });

  it("starts in the work directory, with a home that can be written to", async () => {
    const { stdout } = await sandbox.exec(
      'pwd; echo "$GREETING"; whoami; cd; touch x && pwd; touch /tmp/x && echo $PATH',
    );
    expect(stdout).toBe(
      "/workspace\nhello there\nagent\n/home/agent\n/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n",
    );
    expect(sandbox).toMatchObject({ backend: "local", workdir: "/workspace", isolated: true });
  });

  it("takes a directory and variables", async () => {
    await sandbox.exec("mkdir -p 'sub dir'");
    expect((await sandbox.exec("pwd; echo $A", { cwd: "sub dir", env: { A: "1\n2" } })).stdout).toBe(
      "/workspace/sub dir\n1 2\n",
    );
    await expect(sandbox.exec("true", { cwd: "nowhere" })).rejects.toMatchObject({
      code: "sandbox_io",
      details: { errno: "ENOENT" },
    });
    await expect(sandbox.exec("true", { env: { "A=B": "" } })).rejects.toMatchObject({ code: "config_invalid" });
  });

  it("says what is missing like a shell", async () => {
    expect(await sandbox.exec(["no-such-program"])).toMatchObject({
      exitCode: 127,
      stderr: "no-such-program: command not found\n",
    });
    expect(await sandbox.exec(["/workspace"])).toMatchObject({ exitCode: 126 });
  });

  it("names a directory that can't be, and goes on", async () => {
    for (const [cwd, errno] of [
      ["/a\0b", "EINVAL"],
      ["/nowhere/at all", "ENOENT"],
      ["/etc/passwd", "ENOTDIR"],
      ["x".repeat(5000), "EINVAL"],
    ] as const)
      await expect(sandbox.exec("pwd", { cwd })).rejects.toMatchObject({ code: "sandbox_io", details: { errno } });
    await expect(sandbox.exec("pwd", { cwd: "/nowhere" })).rejects.toThrow("/nowhere");
    expect((await sandbox.exec("pwd", { cwd: "" })).stdout).toBe("/workspace\n");
  });

  it("gives input of any size, whether it is read or not", async () => {
    const bytes = new Uint8Array(5_000_000).map((_, index) => (index * 7) % 256);
    const { stdout } = await sandbox.exec(["cat"], { stdin: bytes, encoding: "buffer" });
    expect(Buffer.compare(stdout, bytes)).toBe(0);
    expect(await sandbox.exec("exec <&-; echo ignored", { stdin: bytes })).toMatchObject({
      stdout: "ignored\n",
      exitCode: 0,
    });
    expect((await sandbox.exec("cat")).stdout).toBe("");
  });

  it("keeps bytes and merges streams in order", async () => {
    expect(Buffer.from((await sandbox.exec("printf '\\377\\000\\200'", { encoding: "buffer" })).stdout)).toEqual(
      Buffer.from([255, 0, 128]),
    );
    expect(await sandbox.exec("for i in 1 2 3; do echo o$i; echo e$i >&2; done", { mergeOutput: true })).toMatchObject({
      stdout: "o1\ne1\no2\ne2\no3\ne3\n",
      stderr: "",
    });
  });

  it("gives output as it arrives", async () => {
    const seen: string[] = [];
    await sandbox.exec("echo 1; sleep 0.2; echo 2", { onOutput: (chunk) => seen.push(Buffer.from(chunk).toString()) });
    expect(seen).toEqual(["1\n", "2\n"]);
  });

  it("cancels with a signal, and does not start when it is too late", async () => {
    const controller = new AbortController();
    const running = sandbox.exec("echo started; sleep 100; echo never", {
      signal: controller.signal,
      onOutput: () => controller.abort(),
    });
    expect(await running).toMatchObject({ stdout: "started\n", exitCode: null, timedOut: false });
    await expect(sandbox.exec("true", { signal: controller.signal })).rejects.toMatchObject({ code: "cancelled" });
  });

  it("has no exit code for what a signal ended", async () => {
    expect(await sandbox.exec("kill -9 $$")).toMatchObject({ exitCode: null, timedOut: false });
    expect(await sandbox.exec("sleep 100", { timeoutMs: 50 })).toMatchObject({ exitCode: null, timedOut: true });
  });

  it("leaves background jobs running, also those that hold or write the output", async () => {
    const first = await sandbox.exec("(sleep 0.3; echo late; echo done > /tmp/background) & echo now");
    expect(first).toMatchObject({ stdout: "now\n", exitCode: 0 });
    expect(
      (
        await sandbox.exec(
          "for i in $(seq 100); do [ -s /tmp/background ] && break; sleep 0.05; done; cat /tmp/background",
        )
      ).stdout,
    ).toBe("done\n");
    await sandbox.exec("nohup sleep 987 >/dev/null 2>&1 &");
    expect(await sandbox.exec("sleep 100", { timeoutMs: 50 })).toMatchObject({ timedOut: true });
    expect((await sandbox.exec("pgrep -fc '^sleep 987'")).stdout).toBe("1\n");
  });

  it("runs many at once", async () => {
    const results = await Promise.all(
      Array.from({ length: 30 }, (_, index) => sandbox.exec(`echo ${index}; cat`, { stdin: `in${index}` })),
    );
    expect(results.map((result) => result.stdout)).toEqual(
      Array.from({ length: 30 }, (_, index) => `${index}\nin${index}`),
    );
  });

  it("runs scripts that are longer than an argument may be", async () => {
    const { stdout } = await sandbox.exec(`x='${"y".repeat(400_000)}'; echo \${#x}; echo $#`);
    expect(stdout).toBe("400000\n0\n");
    expect((await sandbox.exec("ls -A /tmp")).stdout).not.toContain("lachesis");
  });
});

describe("spawn", () => {
  it("talks with a process over its input", async () => {
    let text = "";
    const process = await sandbox.spawn('while read -r line; do echo "got $line"; done; echo end', {
      onOutput: (chunk) => (text += Buffer.from(chunk).toString()),
    });
    expect(process.pid).toBeGreaterThan(1);
    await process.write("a\nb\n");
    await process.closeStdin();
    expect(await process.exited).toEqual({ exitCode: 0, signal: null });
    expect(text).toBe("got a\ngot b\nend\n");
  });

  it("gives a terminal of the size asked for", async () => {
    let text = "";
    const process = await sandbox.spawn('stty size; tty; read -r line; echo "[$line]"; sleep 100', {
      pty: { rows: 33, cols: 111 },
      onOutput: (chunk) => (text += Buffer.from(chunk).toString()),
    });
    await process.write("typed\n");
    while (!text.includes("[typed]")) await new Promise((resolve) => setTimeout(resolve, 10));
    // What was typed is shown at once, before or after the first lines.
    expect(text).toContain("33 111\r\n");
    expect(text).toContain("/dev/pts/");
    await process.write("\u0003");
    expect(await process.exited).toEqual({ exitCode: null, signal: 2 });
  });

  it("ends a terminal's input, and does not hang up on a command that closes its end first", async () => {
    for (let round = 0; round < 5; round++) {
      const process = await sandbox.spawn("exec <&- >&- 2>&-; sleep 0.1; exit 7", { pty: { rows: 24, cols: 80 } });
      await process.closeStdin();
      expect(await process.exited).toEqual({ exitCode: 7, signal: null });
      const cat = await sandbox.spawn(["cat"], { pty: { rows: 24, cols: 80 } });
      await cat.closeStdin();
      expect(await cat.exited).toEqual({ exitCode: 0, signal: null });
    }
  });

  it("kills all that it started", async () => {
    const process = await sandbox.spawn("setsid sleep 765 & sleep 764");
    await sandbox.exec("until pgrep -f '^sleep 765' >/dev/null; do sleep 0.02; done");
    await process.kill();
    expect(await process.exited).toEqual({ exitCode: null, signal: 9 });
    expect((await sandbox.exec("pgrep -fc '^sleep 76'")).stdout).toBe("0\n");
    await process.kill();
  });
});

describe("files", () => {
  it("keeps every byte of 10 MB", async () => {
    const bytes = new Uint8Array(10 * 1024 * 1024).map((_, index) => (index ^ (index >> 8)) % 256);
    await sandbox.writeFile("big", bytes);
    expect(Buffer.compare(await sandbox.readFile("big"), bytes)).toBe(0);
    expect(
      Buffer.compare(
        await sandbox.readFile("big", { offset: 9_999_999, length: 33 }),
        bytes.subarray(9_999_999, 10_000_032),
      ),
    ).toBe(0);
    expect((await sandbox.readFile("big", { offset: 99_999_999, length: 33 })).length).toBe(0);
    expect(await sandbox.stat("big")).toMatchObject({ type: "file", size: 10 * 1024 * 1024, mode: 0o644 });
  });

  it("takes names with spaces, newlines and other letters", async () => {
    const path = "/workspace/a b/new\nline/ü \"'$x";
    await sandbox.writeFile(path, "x");
    expect(Buffer.from(await sandbox.readFile(path)).toString()).toBe("x");
  });

  it("keeps the mode of what it overwrites, and replaces it at once", async () => {
    await sandbox.exec("echo old > s; chmod 0751 s; exec 9<s; sleep 100 &");
    await sandbox.exec("ln -s s link; ln -s dangling-target dangling");
    await sandbox.writeFile("link", "new");
    expect(await sandbox.stat("s")).toMatchObject({ mode: 0o751, size: 3 });
    expect(await sandbox.stat("link", { followSymlinks: false })).toMatchObject({ type: "symlink" });
    await sandbox.writeFile("dangling", "made");
    expect((await sandbox.exec("cat dangling-target")).stdout).toBe("made");
    await sandbox.writeFile("run.sh", "#!/bin/sh\necho ran", { mode: 0o755 });
    expect((await sandbox.exec("./run.sh")).stdout).toBe("ran\n");
  });

  it("says what was wrong", async () => {
    await expect(sandbox.readFile("missing")).rejects.toMatchObject({
      code: "sandbox_io",
      details: { errno: "ENOENT" },
    });
    await expect(sandbox.readFile("/tmp")).rejects.toMatchObject({ details: { errno: "EISDIR" } });
    await expect(sandbox.writeFile("/usr/x", "")).rejects.toMatchObject({ details: { errno: "EROFS" } });
    await expect(sandbox.writeFile("no/parent", "", { parents: false })).rejects.toMatchObject({
      details: { errno: "ENOENT" },
    });
    await expect(sandbox.readFile("a\0b")).rejects.toMatchObject({ details: { errno: "EINVAL" } });
    expect(await sandbox.stat("missing")).toBeNull();
    expect(await sandbox.stat("run.sh/below")).toBeNull();
  });
});

it("forwards a host socket, many connections and much data at once", async () => {
  const directory = mkdtempSync(join(tmpdir(), "lachesis-socket-"));
  const host = join(directory, "s");
  const server = createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket));
  await new Promise<void>((resolve) => server.listen(host, resolve));
  const box = await createSandbox({ require_sandbox: true, sockets: { "/run/out.sock": host } });
  const script = `use Socket; socket(my $s, 1, 1, 0); connect($s, pack_sockaddr_un("/run/out.sock")) or die $!;
    if (!fork) { select $s; $| = 1; print $s "0123456789" x 200_000; shutdown($s, 1); exit } my ($n, $b) = (0); $n += $b while $b = read($s, my $x, 65536); print $n`;
  const results = await Promise.all([1, 2, 3].map(() => box.exec(["perl", "-e", script], { timeoutMs: 30_000 })));
  expect(results.map((result) => result.stdout + result.stderr)).toEqual(["2000000", "2000000", "2000000"]);
  await box.destroy();
  server.close();
  rmSync(directory, { recursive: true });
});

it("refuses options that can't be", async () => {
  await expect(createSandbox({ backend: "lokal" })).rejects.toMatchObject({ code: "config_invalid" });
  await expect(createSandbox({ workdir: "relative" })).rejects.toMatchObject({ code: "config_invalid" });
  await expect(createSandbox({ limits: { memory_mb: 1 } })).rejects.toMatchObject({ code: "config_invalid" });
  await expect(createSandbox({ image: "debian:12" })).rejects.toMatchObject({ code: "unsupported" });
  await expect(createSandbox({ image: "rootfs:/no/such/place" })).rejects.toMatchObject({ code: "not_found" });
  await expect(createSandbox({ readonly_paths: Array(129).fill("/usr") })).rejects.toMatchObject({
    code: "config_invalid",
  });
  await expect(createSandbox({ signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "cancelled" });
});

it("is closed once and for all", async () => {
  const box = await createSandbox({ require_sandbox: true, workdir: "/app/src" });
  expect((await box.exec("pwd; touch x; echo ok > /app/y; cat /app/y")).stdout).toBe("/app/src\nok\n");
  const running = box.exec("sleep 100");
  running.catch(() => {});
  await Promise.all([box.destroy(), box.destroy()]);
  await expect(running).rejects.toMatchObject({ code: "sandbox_closed" });
  await expect(box.exec("true")).rejects.toMatchObject({ code: "sandbox_closed" });
  await expect(box.readFile("x")).rejects.toMatchObject({ code: "sandbox_closed" });
  expect(await box.closed).toBeNull();
});
