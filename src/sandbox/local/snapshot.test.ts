/** Snapshots and forks over both views. */
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Sandbox } from "../contract.ts";
import { createSandbox } from "../index.ts";
import { baseDirectory } from "./owners.ts";

const text = async (sandbox: Sandbox, script: string) => {
  const { stdout, stderr } = await sandbox.exec(script, { timeoutMs: 30_000 });
  return stdout + stderr;
};
const ownSnapshots = () =>
  existsSync(baseDirectory())
    ? readdirSync(baseDirectory()).filter((name) => name.startsWith(`snapshot-${process.pid}-`))
    : [];

describe("the host view", () => {
  it("forks are independent of each other and of their origin, also after its end", async () => {
    const origin = await createSandbox({ require_sandbox: true });
    await origin.exec(
      "echo 1 > f; mkdir d; echo x > d/x; chmod 0700 d; touch '/tmp/a b'; echo y > ~/y; chmod 0 d/x; ln -s f l",
    );
    const snapshot = await origin.snapshot();
    await origin.exec("echo origin >> f");
    const [a, b] = await Promise.all([snapshot.fork(), snapshot.fork({ label: "b" })]);
    await origin.destroy();
    const c = await snapshot.fork();
    await a.exec("echo a >> f; rm -rf d");
    await b.exec("echo b >> f; chmod 600 d/x; echo b >> d/x");
    expect(await text(a, "cat f; ls")).toBe("1\na\nf\nl\n");
    expect(await text(b, "cat l d/x; ls -A /tmp")).toBe("1\nb\nx\nb\na b\n");
    expect(await text(c, "cat f ~/y; stat -c '%a %A' d d/x; pwd; id -u")).toBe(
      "1\ny\n700 drwx------\n0 ----------\n/workspace\n1000\n",
    );
    await Promise.all([a.destroy(), b.destroy(), c.destroy(), snapshot.release()]);
    expect(ownSnapshots()).toEqual([]);
    await expect(snapshot.fork()).rejects.toMatchObject({ code: "sandbox_closed" });
  });

  it("what a fork removed stays removed in its own forks", async () => {
    const origin = await createSandbox({ require_sandbox: true });
    await origin.exec("mkdir -p d/sub; echo 1 > d/one; echo 2 > d/sub/two; echo 3 > three");
    const first = await origin.snapshot();
    const fork = await first.fork();
    await fork.exec("rm three; rm -r d; mkdir d; echo new > d/new");
    const second = await fork.snapshot();
    await Promise.all([origin.destroy(), fork.destroy(), first.release()]);
    const last = await second.fork();
    expect(await text(last, "find . | sort")).toBe(".\n./d\n./d/new\n");
    await last.exec("echo 4 > d/four");
    const third = await last.snapshot();
    const deepest = await third.fork();
    expect(await text(deepest, "find . | sort; cat d/*")).toBe(".\n./d\n./d/four\n./d/new\n4\nnew\n");
    await Promise.all([last.destroy(), deepest.destroy(), second.release(), third.release()]);
    expect(ownSnapshots()).toEqual([]);
  });

  it("stops the processes for the moment of the snapshot and lets them go on", async () => {
    const origin = await createSandbox({ require_sandbox: true });
    await origin.exec(
      "(i=0; while :; do i=$((i+1)); echo $i > a; echo $i > b; done) >/dev/null 2>&1 & (kill -STOP $BASHPID; touch resumed) &",
    );
    await origin.exec("sleep 0.3");
    const snapshot = await origin.snapshot();
    const before = await text(origin, "cat a b | tail -1");
    const fork = await snapshot.fork();
    const [a, b] = (await text(fork, "cat a; echo --; cat b")).split("--").map(Number);
    expect(Math.abs(a! - b!)).toBeLessThanOrEqual(Math.max(a!, b!)); // a file may be empty between its truncation and its write
    // The first process and those of the command itself; no other came with the copy.
    expect(Number((await fork.exec("ls /proc | grep -c '^[0-9]'")).stdout)).toBeLessThanOrEqual(4);
    // They count on; a file that is just being written is empty.
    while (Number(await text(origin, "cat a b | tail -1")) <= Number(before)) await origin.exec("sleep 0.05");
    expect(await text(origin, "ls resumed")).toMatch(/No such file/);
    await Promise.all([origin.destroy(), fork.destroy(), snapshot.release()]);
  });
});

describe("a root file system", () => {
  let rootfs: string;
  beforeAll(() => {
    rootfs = mkdtempSync(join(tmpdir(), "lachesis-rootfs-"));
    chmodSync(rootfs, 0o755);
    for (const directory of ["usr/bin", "etc", "root", "opt/secret"])
      mkdirSync(join(rootfs, directory), { recursive: true });
    for (const link of ["bin", "lib", "lib64"]) execFileSync("ln", ["-s", `usr/${link}`, join(rootfs, link)]);
    for (const program of ["bash", "ls", "cat", "rm", "mkdir", "chown", "id", "stat", "find", "sort", "sleep", "touch"])
      copyWithLibraries(`/usr/bin/${program}`);
    writeFileSync(join(rootfs, "etc/passwd"), "root:x:0:0:root:/root:/bin/bash\n");
    writeFileSync(join(rootfs, "etc/group"), "root:x:0:\n");
    writeFileSync(join(rootfs, "etc/release"), "image\n");
    writeFileSync(join(rootfs, "opt/secret/a"), "a\n");
  });
  afterAll(() => rmSync(rootfs, { recursive: true, force: true }));

  function copyWithLibraries(path: string): void {
    const libraries = execFileSync("ldd", [path], { encoding: "utf8" }).match(/\/\S+/g) ?? [];
    for (const file of [path, ...libraries]) {
      const target = join(rootfs, file.startsWith("/usr") ? file : `/usr${file}`);
      mkdirSync(dirname(target), { recursive: true });
      if (!existsSync(target)) copyFileSync(file, target);
      chmodSync(target, 0o755);
    }
  }

  it("can be changed everywhere, and is not changed", async () => {
    const sandbox = await createSandbox({ require_sandbox: true, image: `rootfs:${rootfs}` });
    expect(await text(sandbox, "id -u; pwd; echo $HOME; cat /etc/release; ls -A /usr/share/doc")).toMatch(
      /^0\n\/workspace\n\/root\nimage\nls: /,
    );
    expect(
      await text(
        sandbox,
        "echo changed > /etc/release; rm -r /opt/secret; rm /usr/bin/sleep; touch /usr/bin/new ~/x; cat /etc/release; stat -c %u /etc/release",
      ),
    ).toBe("changed\n0\n");
    expect(await text(sandbox, "ls /proc/1/root /sys 2>&1; cat /proc/self/status")).toMatch(
      /CapEff:\t00000000000000fb/,
    );
    expect(statSync(join(rootfs, "etc/release")).size).toBe(6);
    expect(existsSync(join(rootfs, "opt/secret/a")) && existsSync(join(rootfs, "usr/bin/sleep"))).toBe(true);
    expect(readdirSync(rootfs).sort()).toEqual(["bin", "etc", "lib", "lib64", "opt", "root", "usr"]);

    const snapshot = await sandbox.snapshot();
    await sandbox.destroy();
    const fork = await snapshot.fork();
    expect(
      await text(fork, "cat /etc/release; ls -A /opt ~; mkdir -p /opt/secret; ls -A /opt/secret; ls /usr/bin/sleep"),
    ).toMatch(/^changed\n\/opt:\n\n\/root:\nx\nls: cannot access '\/usr\/bin\/sleep'/);
    const second = await fork.snapshot();
    await fork.destroy();
    const last = await second.fork();
    expect(await text(last, "find /opt; cat /etc/release")).toBe("/opt\n/opt/secret\nchanged\n");
    await Promise.all([last.destroy(), snapshot.release(), second.release()]);
    expect(ownSnapshots()).toEqual([]);
  });

  it.runIf(process.getuid?.() === 0)("has several users when real root makes it", async () => {
    const sandbox = await createSandbox({ require_sandbox: true, image: `rootfs:${rootfs}` });
    expect(await text(sandbox, "touch f; chown 33:33 f; stat -c '%u %g' f")).toBe("33 33\n");
    const snapshot = await sandbox.snapshot();
    const fork = await snapshot.fork();
    expect(await text(fork, "stat -c '%u %g' f")).toBe("33 33\n");
    await Promise.all([sandbox.destroy(), fork.destroy(), snapshot.release()]);
  });
});
