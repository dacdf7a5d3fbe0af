/** Commands that take too much of something: the result is clear and the next command works. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
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
const processes = async (box: Sandbox) => Number((await box.exec("set -- /proc/[0-9]*; echo $#")).stdout);

it("a fork bomb is stopped by the limit and killed whole at its time-out", async () => {
  const box = await make({ pids: 64 });
  const quiet = await processes(box);
  const result = await box.exec(":(){ :|:& };:; sleep 100", { timeoutMs: 1500, maxBytes: 10_000 });
  expect(result).toMatchObject({ exitCode: null, timedOut: true });
  await alive(box);
  expect(await processes(box)).toBe(quiet);
});

it("a fork bomb that outlives its command does not keep the next ones from forking", async () => {
  const box = await make({ pids: 128 });
  await box.exec(":(){ :|:& };:", { timeoutMs: 5000, maxBytes: 10_000 });
  for (let round = 0; round < 3; round++) {
    const { stdout } = await box.exec("ls / | wc -l; echo ok", { timeoutMs: 20_000 });
    expect(stdout).toMatch(/^\d+\nok\n$/);
  }
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

const LEADERLESS = `use Config; sub threads { require threads; threads->create(sub { my @a; push @a, "x" x 4_000_000 for 1 .. $_[0]; sleep 100 }, @_) }
  threads($ARGV[0]); select undef, undef, undef, 0.3; syscall($ARGV[1], 0)`;
const EXIT = process.arch === "arm64" ? 93 : 60;

it("a process whose first thread has ended is seen, counted and killed like others", async () => {
  const box = await make({ memory_mb: 96 });
  const quiet = await processes(box);
  const daemon = await box.exec(["bash", "-c", 'setsid perl -e "$0" 1 "$1" & sleep 100', LEADERLESS, String(EXIT)], {
    timeoutMs: 1500,
  });
  expect(daemon).toMatchObject({ exitCode: null, timedOut: true });
  expect(await processes(box)).toBe(quiet);
  const hog = await box.exec(["perl", "-e", LEADERLESS, "200", String(EXIT)], { timeoutMs: 20_000 });
  expect(hog).toMatchObject({ exitCode: null, timedOut: false, memoryExceeded: true });
});

it("shared memory without a file counts, also when its pages are let go", async () => {
  const box = await make({ memory_mb: 96 });
  const [mmap, madvise] = process.arch === "arm64" ? [222, 233] : [9, 28];
  for (const letGo of [0, 1]) {
    // MAP_SHARED | MAP_ANONYMOUS; read() writes into each piece.
    const hog = await box.exec(
      [
        "perl",
        "-e",
        `open Z, "<", "/dev/zero"; for (1 .. 30) { my $p = syscall(${mmap}, 0, 8 << 20, 3, 0x21, -1, 0); die $! if $p < 0;
         my $n = syscall(${process.arch === "arm64" ? 63 : 0}, fileno(Z), $p, 8 << 20); die "$n $!" if $n < 0;
         syscall(${madvise}, $p, 8 << 20, 4) if ${letGo}; select undef, undef, undef, 0.02 } sleep 5; print "took 240 MB"`,
      ],
      { timeoutMs: 30_000 },
    );
    expect(hog).toMatchObject({ exitCode: null, memoryExceeded: true, stdout: "" });
  }
  await alive(box);
});

it("pid 1 keeps its limits and its share of the processor", async () => {
  const box = await make({});
  const [prlimit, setpriority, scheduler] = process.arch === "arm64" ? [261, 140, 119] : [302, 141, 144];
  const { stdout } = await box.exec([
    "perl",
    "-e",
    `my $none = pack "QQ", 3, 3; my $zero = pack "i", 0;
     for ([${prlimit}, 1, 7, $none, 0], [${setpriority}, 0, 1, 19], [${setpriority}, 2, 0, 19], [${scheduler}, 1, 5, $zero]) {
       my ($n, @a) = @$_; print syscall($n, @a) < 0 ? $!+0 : "done", " " }
     print syscall(${setpriority}, 0, 0, 5) == 0 ? "nice" : $!;`,
  ]);
  expect(stdout).toBe("1 1 1 1 nice");
  await alive(box);
});

it("no call changes a command's mark, but its own limits can be asked for and lowered", async () => {
  const box = await make({});
  const [prlimit, setrlimit] = process.arch === "arm64" ? [261, 164] : [302, 160];
  const { stdout } = await box.exec([
    "perl",
    "-e",
    `my $new = pack "QQ", 1 << 40, 1 << 40; my $old = pack "QQ", 0, 0; my @e = map { int rand 2 ** 32 } 1 .. 4;
     for ([${prlimit}, 0, 15, $new, 0], [${prlimit}, 0, 15, $new, 0, 0, 0], [${prlimit}, 0, 15, $new, 0, @e[0, 1]],
          [${prlimit}, getppid(), 15, $new, 0], [${prlimit}, 0, (1 << 32) + 15, $new, 0], [${setrlimit}, 15, $new]) {
       my ($n, @a) = @$_; print syscall($n, @a) < 0 ? $!+0 : "done", " " }
     print syscall(${prlimit}, 0, 15, 0, $old) == 0 ? (unpack "QQ", $old)[1] >> 40 : $!, " ";
     my $few = pack "QQ", 9, 9; print syscall(${prlimit}, 0, 7, $few, 0) == 0 ? "lowered" : $!;`,
  ]);
  expect(stdout).toBe("1 1 1 1 1 1 1 lowered");
});

it("what the kernel counts for the whole machine or user is not used up by one sandbox", async () => {
  const box = await make({});
  const [inotify, ioSetup, semget] = process.arch === "arm64" ? [26, 0, 190] : [294, 206, 64];
  const { stdout } = await box.exec([
    "perl",
    "-e",
    `my $n = 0; $n++ while $n < 100 && syscall(${inotify}, 0) >= 0; print $n, " ";
     my $c = pack "Q", 0; print syscall(${ioSetup}, 64, $c) < 0 ? $!+0 : "aio", " ", syscall(${semget}, 0, 32000, 01600) < 0 ? $!+0 : "sem", " ";
     my @t; while (@t < 500 && open my $f, "+<", "/dev/ptmx") { push @t, $f } print scalar(@t) < 200 ? "few" : "many";`,
  ]);
  expect(stdout).toMatch(/^(16|100) 38 28 few$/); // 100: where /proc/sys is read-only
});

it("a transfer goes on while commands stop every process", async () => {
  const box = await make({});
  // Not before the shell that starts it is gone, which would never end then.
  await box.exec(
    "head -c 30M /dev/zero > big; (while kill -0 $$; do :; done; while :; do kill -STOP -1; sleep 0.01; done) >/dev/null 2>&1 &",
  );
  const target = mkdtempSync(join(tmpdir(), "lachesis-stopped-"));
  try {
    expect(await box.download("big", join(target, "big"))).toBe(30 << 20);
  } finally {
    rmSync(target, { recursive: true });
  }
});
