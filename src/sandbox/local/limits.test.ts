/** Commands that take too much of something: the result is clear and the next command works. */
import { afterEach, expect, it } from "vitest";
import type { Sandbox, SandboxOptions } from "../contract.ts";
import { createSandbox } from "../index.ts";

let sandbox: Sandbox | null = null;
afterEach(async () => {
  await sandbox?.destroy();
  sandbox = null;
});
const make = async (limits: SandboxOptions["limits"]) => {
  sandbox = await createSandbox({ require_sandbox: true, limits });
  return sandbox;
};
const alive = async (box: Sandbox) =>
  expect((await box.exec("echo alive", { timeoutMs: 20_000 })).stdout).toBe("alive\n");
const processes = async (box: Sandbox) => Number((await box.exec("ls -d /proc/[0-9]* | wc -l")).stdout);

it("a fork bomb is stopped by the limit and killed whole at its time-out", async () => {
  const box = await make({ pids: 64 });
  const quiet = await processes(box);
  const result = await box.exec(":(){ :|:& };:; sleep 100", { timeoutMs: 1500, maxBytes: 10_000 });
  expect(result).toMatchObject({ exitCode: null, timedOut: true });
  await alive(box);
  expect(await processes(box)).toBe(quiet);
});

it("commands run while a bomb goes on", async () => {
  const box = await make({ pids: 48 });
  await box.exec("(while :; do sleep 0.2 & done) >/dev/null 2>&1 &");
  const { exitCode } = await box.exec(["true"], { timeoutMs: 20_000 });
  expect(exitCode).toBe(0);
});

it("endless output is cut at the limit while the command goes on", async () => {
  const box = await make({});
  const result = await box.exec("head -c 2G /dev/zero; echo done >&2", { maxBytes: 1_000_000, encoding: "buffer" });
  expect(result).toMatchObject({ exitCode: 0, truncated: true });
  expect(result.stdout.length).toBe(1_000_000);
  expect(Buffer.from(result.stderr).toString()).toBe("done\n");
  await alive(box);
});

it("a full disk is told and can be emptied, whatever place was filled", async () => {
  const box = await make({ disk_mb: 16 });
  const { stderr, exitCode } = await box.exec(
    "for p in /workspace /tmp /dev/shm /run /home/agent /var/tmp /; do head -c 20M /dev/zero > $p/fill; done; du -sm --exclude=/proc --exclude=/usr --exclude=/etc / >&2",
  );
  expect(stderr).toMatch(/No space left on device/);
  expect(exitCode).toBe(0);
  expect(Number(/^(\d+)\t\/$/m.exec(stderr)?.[1])).toBeLessThanOrEqual(17);
  await expect(box.writeFile("more", new Uint8Array(1_000_000))).rejects.toMatchObject({ code: "sandbox_disk_full" });
  expect((await box.exec("ls -A /workspace")).stdout).toBe("fill\n"); // nothing of the failed write is left
  await box.exec("rm -f /*/fill /dev/shm/fill /var/tmp/fill /home/agent/fill /fill");
  await box.writeFile("more", new Uint8Array(1_000_000));
  await alive(box);
});

it("many small files are limited, too", async () => {
  const box = await make({ disk_mb: 4 });
  const { stdout } = await box.exec("perl -e 'while (open my $f, q(>), qq(f$n)) { $n++ } print qq($n $!)'");
  expect(stdout).toMatch(/^\d+ No space left on device$/);
  await alive(box);
});

it("a command that ignores TERM, double-forks and leaves its session dies with its time-out", async () => {
  const box = await make({});
  const quiet = await processes(box);
  const result = await box.exec(
    `trap '' TERM HUP INT; (setsid nohup bash -c 'trap "" TERM; while :; do sleep 1; done' >/dev/null 2>&1 &)
     perl -e 'use POSIX; if (fork) { exit } setsid; if (fork) { exit } $SIG{TERM} = "IGNORE"; sleep 1000' &
     sleep 1000`,
    { timeoutMs: 700 },
  );
  expect(result).toMatchObject({ exitCode: null, timedOut: true });
  expect(await processes(box)).toBe(quiet);
});

it("a memory hog is killed and named, others go on", async () => {
  const box = await make({ memory_mb: 96 });
  const bystander = await box.spawn("sleep 1000");
  const hog = await box.exec(["perl", "-e", 'my @a; push @a, "x" x 1_000_000 while 1'], { timeoutMs: 30_000 });
  expect(hog).toMatchObject({ exitCode: null, timedOut: false, memoryExceeded: true });
  const many = await box.exec("for i in 1 2 3 4 5 6; do perl -e 'my $a = q(x) x 40_000_000; sleep 2' & done; wait", {
    timeoutMs: 30_000,
  });
  expect(many.memoryExceeded).toBe(true);
  await alive(box);
  await bystander.kill();
  expect(await bystander.exited).toEqual({ exitCode: null, signal: 9 });
});

it("output that nobody reads does not stop the memory watch", async () => {
  const box = await make({ memory_mb: 96 });
  const running = box.exec(["perl", "-e", '$| = 1; my @a; while (1) { push @a, "x" x 500_000; print "y" x 100_000 }'], {
    timeoutMs: 60_000,
  });
  const until = Date.now() + 3000;
  while (Date.now() < until); // the event loop stands still
  expect(await running).toMatchObject({ exitCode: null, memoryExceeded: true });
});

it("System V segments count as memory", async () => {
  const box = await make({ memory_mb: 64 });
  const { stdout } = await box.exec(
    "perl -e 'for (1..40) { my $id = shmget(0, 8<<20, 01666) or last; shmwrite($id, q(x) x (8<<20), 0, 8<<20) or last; select undef, undef, undef, 0.05 } sleep 1; open F, q(/proc/sysvipc/shm); <F>; $n++ while <F>; print $n+0'",
    { timeoutMs: 30_000 },
  );
  expect(Number(stdout || "0")).toBeLessThan(20);
  await alive(box);
});
