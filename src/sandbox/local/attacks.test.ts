/** What a hostile command tries. Each attack is made for real; perl, which every Debian has, makes the raw system calls. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Sandbox } from "../contract.ts";
import { createSandbox } from "../index.ts";

/** Numbers that differ between architectures; those from 403 on are the same everywhere. */
const CALLS: Record<string, Record<string, number>> = {
  x64: {
    unshare: 272,
    ptrace: 101,
    mount: 165,
    mknod: 259,
    keyctl: 250,
    add_key: 248,
    bpf: 321,
    perf: 298,
    uffd: 323,
    setns: 308,
    chroot: 161,
    clone: 56,
    msgget: 68,
    memfd: 319,
    vm_readv: 310,
  },
  arm64: {
    unshare: 97,
    ptrace: 117,
    mount: 40,
    mknod: 33,
    keyctl: 219,
    add_key: 217,
    bpf: 280,
    perf: 241,
    uffd: 282,
    setns: 268,
    chroot: 51,
    clone: 220,
    msgget: 186,
    memfd: 279,
    vm_readv: 270,
  },
};
const call = CALLS[process.arch]!;

let sandbox: Sandbox;
let secretDirectory: string;

beforeAll(async () => {
  process.env.LACHESIS_TEST_SECRET = "do-not-leak";
  secretDirectory = mkdtempSync(join(tmpdir(), "lachesis-secret-"));
  writeFileSync(join(secretDirectory, "key"), "secret");
  sandbox = await createSandbox({ require_sandbox: true, limits: { memory_mb: 256, disk_mb: 32 } });
});
afterAll(async () => {
  await sandbox.destroy();
  rmSync(secretDirectory, { recursive: true });
  delete process.env.LACHESIS_TEST_SECRET;
});

const run = async (script: string) => {
  const { stdout, stderr, exitCode } = await sandbox.exec(script, { timeoutMs: 20_000 });
  return { text: stdout + stderr, exitCode };
};
/** errno of a system call made inside, or 0. */
const errno = async (number: number, ...args: (number | string)[]) => {
  const list = args.map((value) => (typeof value === "string" ? JSON.stringify(value) : value)).join(",");
  const { stdout } = await sandbox.exec([
    "perl",
    "-e",
    `my @a = (${list}); my $r = syscall(${number}, @a); print $r < 0 ? $!+0 : 0;`,
  ]);
  expect(stdout).not.toBe("");
  return Number(stdout);
};
const EPERM = 1;
const ENOSYS = 38;
const EAFNOSUPPORT = 97;
const EPROTONOSUPPORT = 93;

describe("the host's files and secrets", () => {
  it("shows neither home, nor other places, nor shadow, nor ssh keys", async () => {
    for (const path of [
      homedir(),
      secretDirectory,
      "/boot",
      "/srv",
      "/etc/ssh",
      "/sys",
      "/var/run/docker.sock",
      "/etc/shadow",
      "/etc/gshadow",
      "/opt",
    ]) {
      if (path === "/home/agent") continue;
      expect.soft(await sandbox.stat(path), path).toBeNull();
    }
    const { text } = await run("ls /home /tmp /root 2>&1; cat /etc/passwd; tr '\\0' '\\n' < /proc/1/cmdline");
    expect(text).not.toContain(secretDirectory);
    expect(text).not.toMatch(/node_modules|native|perl/);
    expect(text.match(/^\w+:x:/gm)).toEqual(["root:x:", "agent:x:", "nobody:x:"]);
  });

  it("passes no environment on, and none of it is in /proc", async () => {
    const { text } = await run("env; cat /proc/*/environ 2>/dev/null | tr '\\0' '\\n'");
    expect(text).not.toContain("do-not-leak");
    expect(text).toContain("HOME=/home/agent");
  });

  it("passes no descriptors on", async () => {
    expect((await run("ls /proc/self/fd | tr '\\n' ' '")).text).toBe("0 1 2 3 ");
    const { text, exitCode } = await run("ls -l /proc/1/fd /proc/1/environ; cat /proc/1/environ");
    expect(exitCode).not.toBe(0);
    expect(text).toMatch(/Permission denied/);
  });

  it("sees no process of the host and can't reach its root through /proc", async () => {
    const { text } = await run(
      "for p in /proc/[0-9]*; do cat $p/comm; done | sort -u; ls /proc/1/root /proc/1/cwd/ 2>&1",
    );
    expect(text).not.toMatch(/node|vitest/);
    expect(text).toMatch(/Permission denied/);
  });

  it("reads only what is its own through the file operations", async () => {
    await run(
      "ln -s /proc/1/mem m; ln -s /proc/self/environ e; ln -s /proc/1/root/etc/shadow s; mkfifo f; ln -s /dev/zero z",
    );
    for (const path of ["m", "e", "s", "f", "z", "/proc/1/maps", "/dev/tty"]) {
      await expect.soft(sandbox.readFile(path), path).rejects.toMatchObject({ code: "sandbox_io" });
    }
    for (let fd = 0; fd < 16; fd++) {
      const path = `/proc/self/fd/${fd}/etc/passwd`; // what pid 1 has open lies outside of the view
      expect.soft(await sandbox.stat(path).catch(() => null), path).toBeNull();
      await expect.soft(sandbox.writeFile(path, "x"), path).rejects.toMatchObject({ code: "sandbox_io" });
      await expect
        .soft(sandbox.exec("pwd", { cwd: `/proc/self/fd/${fd}` }))
        .rejects.toMatchObject({ code: "sandbox_io" });
    }
    await expect(sandbox.writeFile("m", "x")).rejects.toMatchObject({ code: "sandbox_io" });
    await expect(sandbox.writeFile("f", "x")).rejects.toMatchObject({ code: "sandbox_io" });
  });
});

describe("privileges", () => {
  it("has no capabilities, no new privileges and an id that is not the host's root", async () => {
    const { text } = await run("cat /proc/self/status; cat /proc/self/uid_map");
    for (const set of ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"])
      expect(text).toContain(`${set}:\t0000000000000000`);
    expect(text).toContain("NoNewPrivs:\t1");
    expect(text).toContain("Seccomp:\t2");
    if (process.getuid?.() === 0) expect(text).toMatch(/^\s+0\s+200000\s+65536$/m);
  });

  it("refuses the calls that lead out or into the kernel", async () => {
    const tried: [string, number, number][] = [
      ["unshare(CLONE_NEWUSER)", await errno(call.unshare!, 0x10000000), EPERM],
      ["clone(CLONE_NEWUSER)", await errno(call.clone!, 0x10000011, 0, 0, 0, 0), EPERM],
      ["clone3", await errno(435, 0, 0), ENOSYS],
      ["setns", await errno(call.setns!, 0, 0), EPERM],
      ["mount", await errno(call.mount!, "none", "/tmp", "tmpfs", 0, 0), EPERM],
      ["open_tree", await errno(428, -100, "/", 1), EPERM],
      ["fsopen", await errno(430, "tmpfs", 0), EPERM],
      ["mount_setattr", await errno(442, -100, "/usr", 0, 0, 0), EPERM],
      ["chroot", await errno(call.chroot!, "/tmp"), EPERM],
      ["ptrace(1)", await errno(call.ptrace!, 16, 1, 0, 0), EPERM],
      ["process_vm_readv", await errno(call.vm_readv!, 1, 0, 0, 0, 0, 0), EPERM],
      ["io_uring_setup", await errno(425, 1, 0), EPERM],
      ["io_uring_enter", await errno(426, 0, 0, 0, 0, 0, 0), EPERM],
      ["io_uring_register", await errno(427, 0, 0, 0, 0), EPERM],
      ["bpf", await errno(call.bpf!, 0, 0, 0), EPERM],
      ["perf_event_open", await errno(call.perf!, 0, 0, 0, 0, 0), EPERM],
      ["userfaultfd", await errno(call.uffd!, 0), EPERM],
      ["keyctl", await errno(call.keyctl!, 0, -3, 0), EPERM],
      ["add_key", await errno(call.add_key!, "user", "a", "b", 1, -3), EPERM],
      ["mknod(char)", await errno(call.mknod!, -100, "/tmp/null", 0o20666, 0x103), EPERM],
      ["mknod(block)", await errno(call.mknod!, -100, "/tmp/disk", 0o60666, 0x800), EPERM],
      ["pidfd_getfd", await errno(438, 0, 0, 0), EPERM],
      ["msgget", await errno(call.msgget!, 0, 0o1600), EPERM],
      ["memfd_create", await errno(call.memfd!, "m", 0), ENOSYS],
    ];
    expect(tried.filter(([, got, wanted]) => got !== wanted)).toEqual([]);
  });

  it("makes no sockets but unix, IP and routing ones", async () => {
    for (const [type, protocol] of [
      [1, 132],
      [5, 132],
      [6, 0],
      [2, 136],
      [1, 262],
    ]) {
      const { stdout } = await sandbox.exec(["perl", "-e", `socket(my $s, 2, ${type}, ${protocol}) or print $!+0`]);
      expect.soft(Number(stdout), `protocol ${protocol}`).toBe(EPROTONOSUPPORT);
    }
    for (const family of [40, 17, 38, 16 + 28, 29, 21]) {
      const { stdout } = await sandbox.exec(["perl", "-e", `socket(my $s, ${family}, 1, 0) or print $!+0`]);
      expect.soft(Number(stdout), `family ${family}`).toBe(EAFNOSUPPORT);
    }
    const { stdout } = await sandbox.exec(["perl", "-e", "socket(my $s, 16, 3, 12) or print $!+0"]);
    expect(Number(stdout)).toBeGreaterThan(0); // netfilter's netlink
    expect((await run("perl -e 'for (1,2,10) { socket(my $s, $_, 1, 0) or die $! } print q(ok)'")).text).toBe("ok");
  });

  it("pushes no characters into a terminal", async () => {
    let text = "";
    const process = await sandbox.spawn(
      ["perl", "-e", 'my $c = "x"; ioctl(STDIN, 0x5412, $c) or print "errno=", $!+0, "\\n"'],
      {
        pty: { rows: 24, cols: 80 },
        onOutput: (chunk) => {
          text += Buffer.from(chunk).toString();
        },
      },
    );
    await process.exited;
    expect(text).toContain("errno=1");
  });

  it("gains nothing by set-id files, of the system or its own", async () => {
    const { text } = await run(
      "cp /usr/bin/id x; chmod 6755 x; ./x -u; ls -l x; find /usr -xdev -perm -4000 2>/dev/null | head -1 | xargs -r stat -c %a; cat /proc/self/mounts",
    );
    expect(text.split("\n")[0]).toBe("1000");
    for (const line of text.split("\n").filter((line) => / (tmpfs|ext4|overlay|xfs|btrfs) /.test(line)))
      expect.soft(line).toMatch(/nosuid/);
  });

  it("writes nothing below /proc/sys, /usr and /etc", async () => {
    const { text } = await run(`
      find /proc/sys /proc/irq /proc/bus /proc/sysrq-trigger -type f 2>/dev/null | while read -r f; do ( : >> "$f" ) 2>/dev/null && echo "WRITABLE $f"; done
      echo x > /usr/x; echo x > /etc/passwd; echo x > /etc/new; echo x > /usr/bin/bash; mv /etc /e; rmdir /usr; umount /usr; echo c > /proc/sysrq-trigger`);
    expect(text).not.toContain("WRITABLE");
    expect(text.match(/Read-only file system/g)?.length).toBeGreaterThanOrEqual(4);
  });

  it("can't leave the command's mark, stop pid 1 or kill it", async () => {
    const { text } = await run(
      "ulimit -R 5 2>&1; kill -9 1; kill -STOP 1; kill -9 $PPID; perl -e 'print getppid()'; echo; grep realtime /proc/self/limits",
    );
    expect(text).toMatch(/Max realtime timeout\s+109951162\d+/);
    expect((await run("echo alive")).text).toBe("alive\n");
  });
});

describe("the network", () => {
  it("reaches no service of the host, on loopback or by abstract socket", async () => {
    const tcp = createServer((socket) => socket.end("host service"));
    const abstract = createServer((socket) => socket.end("host service"));
    await new Promise<void>((resolve) => tcp.listen(0, "127.0.0.1", resolve));
    await new Promise<void>((resolve) => abstract.listen(`\0lachesis-test-${process.pid}`, resolve));
    const address = tcp.address();
    const port = typeof address === "object" && address ? address.port : 0;
    const { text } = await run(
      `perl -MIO::Socket::INET -e '$s = IO::Socket::INET->new("127.0.0.1:${port}") or print "tcp refused\\n"; print <$s> if $s'
       perl -MSocket -e 'socket(S,1,1,0); connect(S, pack_sockaddr_un("\\0lachesis-test-${process.pid}")) ? print <S> : print "abstract refused\\n"'
       (exec 3<>/dev/tcp/10.0.0.1/80) 2>&1 | head -1; cat /proc/net/dev | tail -n +3 | cut -d: -f1`,
    );
    tcp.close();
    abstract.close();
    expect(text).toContain("tcp refused");
    expect(text).toContain("abstract refused");
    expect(text).toMatch(/unreachable/);
    expect(text).not.toContain("host service");
    expect(text.trim().split("\n").at(-1)?.trim()).toBe("lo");
  });

  it("has a loopback of its own", async () => {
    const { text } = await run(`
      perl -MIO::Socket::INET -e '$l = IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1", LocalPort => 8080) or die; if (!fork) { $c = $l->accept; print $c "hello"; exit } $s = IO::Socket::INET->new("127.0.0.1:8080") or die; print <$s>; wait'`);
    expect(text).toBe("hello");
  });
});

describe("other rollouts", () => {
  it("share nothing", async () => {
    const other = await createSandbox({ require_sandbox: true });
    await other.exec("echo mine > /tmp/shared; (exec -a other-marker sleep 100) & true");
    const { text } = await run("cat /tmp/shared; cat /proc/*/cmdline | tr '\\0' ' '");
    expect(text).toContain("No such file");
    expect(text).not.toContain("other-marker");
    await other.exec("kill -9 -1");
    expect((await run("echo alive")).text).toBe("alive\n");
    await other.destroy();
  });
});
