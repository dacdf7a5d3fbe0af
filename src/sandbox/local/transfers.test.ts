/** Trees in and out: bytes, modes and names are kept; hostile trees and hostile archives reach nothing on the host. */
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Sandbox } from "../contract.ts";
import { createSandbox } from "../index.ts";
import { ArchiveDecoder, encodeEntry, encodePiece } from "./archive.ts";
import { HostTreeWriter } from "./host-tree.ts";

let sandbox: Sandbox;
let host: string;
beforeAll(async () => {
  sandbox = await createSandbox({ require_sandbox: true, limits: { disk_mb: 64 } });
});
afterAll(() => sandbox.destroy());
beforeEach(async () => {
  host = mkdtempSync(join(tmpdir(), "lachesis-transfer-"));
  await sandbox.exec("rm -rf /workspace/*", { timeoutMs: 20_000 });
  return () => rmSync(host, { recursive: true, force: true });
});

describe("upload and download", () => {
  it("keep bytes, modes, times, links and odd names", async () => {
    const tree = join(host, "in");
    mkdirSync(join(tree, "sub dir/new\nline"), { recursive: true });
    const bytes = Buffer.from(Array.from({ length: 300_000 }, (_, index) => (index * 31) % 256));
    writeFileSync(join(tree, "sub dir/new\nline/raw"), bytes);
    writeFileSync(join(tree, "run"), "#!/bin/sh\n");
    chmodSync(join(tree, "run"), 0o4755);
    symlinkSync("../run", join(tree, "sub dir/back"));
    symlinkSync("sub dir/new\nline/raw", join(tree, "link"));
    symlinkSync("../../up", join(tree, "sub dir/up"));
    symlinkSync("/etc/shadow", join(tree, "outside"));
    chmodSync(join(tree, "sub dir"), 0o555);
    execFileSync("bash", ["-c", 'printf x > "$(printf "%s/in/\\377\\376" "$0")"; mkfifo "$0/in/fifo"', host]);
    expect(await sandbox.upload(tree, "up/loaded")).toBe(300_000 + 10 + 1);
    const { stdout } = await sandbox.exec(
      "cd up/loaded; stat -c '%a %F %n' * | sort; find . -type l -printf '%p %l\n' | grep -v new; cmp link 'sub dir/new\nline/raw' && echo same; ls | od -c | head -2 | grep -c 377",
    );
    expect(stdout).toMatch(/755 regular file run/);
    expect(stdout).toMatch(/555 directory sub dir/);
    expect(stdout).toContain("./sub dir/back ../run\n");
    expect(stdout).toMatch(/same\n1\n$/);
    expect(stdout).not.toMatch(/fifo|outside|dir\/up/);
    const out = join(host, "out/deep");
    expect(await sandbox.download("up/loaded", out)).toBe(300_011);
    expect(readFileSync(join(out, "sub dir/new\nline/raw")).equals(bytes)).toBe(true);
    expect(statSync(join(out, "run")).mode & 0o7777).toBe(0o755);
    expect(
      readdirSync(out, { encoding: "buffer" })
        .map((name) => name.toString("latin1"))
        .sort(),
    ).toEqual(["run", "sub dir", "\u00ff\u00fe"]);
    chmodSync(join(tree, "sub dir"), 0o755);
  });

  it("copy one file to an exact name, in both directions", async () => {
    writeFileSync(join(host, "a"), "content");
    await sandbox.exec("mkdir d; echo longer than before > a2");
    expect(await sandbox.upload(join(host, "a"), "a2")).toBe(7);
    expect(await sandbox.download("a2", join(host, "x/y"))).toBe(7);
    expect(readFileSync(join(host, "x/y"), "utf8")).toBe("content");
    await expect(sandbox.upload(join(host, "a"), "d")).rejects.toMatchObject({ details: { errno: "EISDIR" } });
    await expect(sandbox.upload(join(host, "none"), "d")).rejects.toMatchObject({ code: "not_found" });
    await expect(sandbox.download("none", join(host, "n"))).rejects.toMatchObject({ details: { errno: "ENOENT" } });
  });

  it("say what is wrong on the host", async () => {
    await sandbox.writeFile("one", "1");
    writeFileSync(join(host, "file"), "");
    mkdirSync(join(host, "directory"));
    for (const [target, code] of [
      [join(host, "x".repeat(5000)), "data_invalid"],
      [join(host, "file", "below"), "data_invalid"],
      [join(host, "a\0b"), "data_invalid"],
      [join(host, "directory"), "conflict"],
    ] as const)
      await expect(sandbox.download("one", target)).rejects.toMatchObject({ name: "LachesisError", code });
    await expect(sandbox.upload(join(host, "missing"), "x")).rejects.toMatchObject({ code: "not_found" });
    await expect(sandbox.upload(join(host, "x".repeat(5000)), "x")).rejects.toMatchObject({ code: "data_invalid" });
  });

  it("say when the disk is full", async () => {
    writeFileSync(join(host, "big"), Buffer.alloc(80 << 20));
    await expect(sandbox.upload(join(host, "big"), "big")).rejects.toMatchObject({ code: "sandbox_disk_full" });
    await sandbox.exec("rm -f big");
  });

  it("carry a thousand files", async () => {
    const tree = join(host, "many");
    mkdirSync(tree);
    for (let index = 0; index < 1000; index++) writeFileSync(join(tree, `f${index}`), `content ${index}`);
    await sandbox.upload(tree, "many");
    expect((await sandbox.exec("ls many | wc -l; cat many/f999")).stdout).toBe("1000\ncontent 999");
    await sandbox.download("many", join(host, "back"));
    expect(readdirSync(join(host, "back")).length).toBe(1000);
  });
});

describe("a hostile sandbox", () => {
  it("sends out no links, devices, fifos or set-id bits", async () => {
    await sandbox.exec(
      "mkdir -p t/d; cp /bin/true t/suid; chmod 6755 t/suid; mkfifo t/fifo; ln -s /etc/passwd t/l; ln -s / t/d/root; ln t/suid t/hard; chmod 1777 t/d; perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(Local => q(t/sock), Listen => 1)'; echo x > t/locked; chmod 0 t/locked",
    );
    const out = join(host, "out");
    await sandbox.download("t", out);
    expect(readdirSync(out).sort()).toEqual(["d", "hard", "locked", "suid"]);
    expect((await sandbox.stat("t/locked"))?.mode).toBe(0);
    expect(readdirSync(join(out, "d"))).toEqual([]);
    for (const name of ["suid", "hard"]) expect(lstatSync(join(out, name)).mode & 0o7777).toBe(0o755);
    expect(lstatSync(join(out, "hard")).nlink).toBe(1);
    expect(statSync(join(out, "d")).mode & 0o7000).toBe(0);
  });

  it("gains nothing by swapping folders for links while they are copied", async () => {
    await sandbox.exec("mkdir -p swap/a; for i in $(seq 200); do echo $i > swap/a/$i; done");
    const swapping = await sandbox.spawn(
      "while :; do mv swap/a swap/b; ln -s /etc swap/a; rm swap/a; mv swap/b swap/a; done 2>/dev/null",
    );
    for (let round = 0; round < 4; round++) {
      const out = join(host, `round${round}`);
      await sandbox.download("swap", out).catch(() => {});
      const all = execFileSync("find", [out, "(", "-type", "l", "-o", "-name", "passwd", ")"], { encoding: "utf8" });
      expect(all).toBe("");
      writeFileSync(join(host, "x"), "uploaded");
      await sandbox.upload(join(host, "x"), "swap/a/x").catch(() => {});
    }
    await swapping.kill();
  });

  it("does not fill the host with a sparse file or a deep tree", async () => {
    await sandbox.exec(
      "mkdir sparse; truncate -s 2G sparse/hole; printf end >> sparse/hole; perl -e 'for (1..400) { mkdir q(d); chdir q(d) }'",
      { cwd: "/workspace" },
    );
    const out = join(host, "out");
    await sandbox.download("sparse", out);
    const { size, blocks } = statSync(join(out, "hole"));
    expect(size).toBe(2 * 1024 ** 3 + 3);
    expect(blocks * 512).toBeLessThan(1 << 20);
    await sandbox.download(".", join(host, "deep"));
    expect(existsSync(join(host, `deep/${"d/".repeat(200)}`))).toBe(true);
  });

  it("trusts no tar and no other program inside", async () => {
    const box = await createSandbox({ require_sandbox: true, env: { PATH: "/workspace/bin:/usr/bin:/bin" } });
    await box.exec(
      "mkdir bin; for p in tar cp cat bash sh rm; do printf '#!/usr/bin/perl\\nprint \"fake\"' > bin/$p; chmod 755 bin/$p; done; echo real > file",
      {},
    );
    expect(Buffer.from(await box.readFile("file")).toString()).toBe("real\n");
    await box.download(".", join(host, "real"));
    expect(readFileSync(join(host, "real/file"), "utf8")).toBe("real\n");
    await box.destroy();
  });

  it("may kill the transfer, which then fails", async () => {
    writeFileSync(join(host, "big"), Buffer.alloc(8 << 20, 1));
    const killer = await sandbox.spawn("while :; do kill -9 -1; done");
    let failures = 0;
    for (let round = 0; round < 5; round++) await sandbox.upload(join(host, "big"), "big").catch(() => failures++);
    expect(failures).toBeGreaterThanOrEqual(0);
    await killer.kill();
    await sandbox.upload(join(host, "big"), "big");
    expect((await sandbox.stat("big"))?.size).toBe(8 << 20);
  });
});

describe("the host's side", () => {
  const bytes = (...parts: Buffer[]) => Buffer.concat(parts);
  const root = encodeEntry({ type: "directory", mode: 0o755 });
  const file = (path: string, text = "x") =>
    bytes(
      encodeEntry({ type: "file", path: Buffer.from(path), mode: 0o644 }),
      encodePiece(Buffer.from(text)),
      encodePiece(Buffer.alloc(0)),
    );
  const write = (archive: Buffer) => {
    const writer = new HostTreeWriter(join(host, "target"));
    try {
      new ArchiveDecoder(writer).push(archive);
      writer.finish();
    } finally {
      writer.abort();
    }
  };

  it.each(["../out", "/etc/x", "a/../../out", "a//b", ".", "", "a/.", "a\0b", "missing/b"])(
    "refuses the path %j",
    (path) => {
      expect(() => write(bytes(root, file(path)))).toThrow(/refused/);
      expect(existsSync(join(host, "out"))).toBe(false);
    },
  );

  it("never makes a link, nor goes through one", () => {
    write(bytes(root, encodeEntry({ type: "symlink", path: Buffer.from("a"), link: Buffer.from(host) })));
    expect(existsSync(join(host, "target/a"))).toBe(false);
    symlinkSync(host, join(host, "target/b"));
    expect(() =>
      write(bytes(root, encodeEntry({ type: "directory", path: Buffer.from("b") }), file("b/out"))),
    ).toThrow();
    symlinkSync(join(host, "out"), join(host, "target/c"));
    write(bytes(root, file("c")));
    expect(existsSync(join(host, "out"))).toBe(false);
    expect(() => readlinkSync(join(host, "target/c"))).toThrow();
  });

  it("survives any bytes", () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.oneof(
            fc.uint8Array({ maxLength: 80 }).map(Buffer.from),
            fc.constant(root),
            fc.string({ maxLength: 8 }).map((path) => file(path)),
            fc.constant(encodeEntry({ type: "end" })),
          ),
        ),
        fc.integer({ min: 1, max: 50 }),
        (parts, step) => {
          const whole = Buffer.concat(parts);
          const seen: string[] = [];
          const decoder = new ArchiveDecoder({
            entry: (entry) => seen.push(entry.type),
            content: () => {},
            hole: () => {},
            fileEnd: () => {},
          });
          try {
            for (let at = 0; at < whole.length; at += step) decoder.push(whole.subarray(at, at + step));
          } catch (error) {
            expect(error).toMatchObject({ code: "sandbox_protocol" });
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});
