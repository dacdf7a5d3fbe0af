/** Frames from a helper that can't be trusted: nothing but an orderly error comes of them. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Command } from "./command.ts";
import { HelperConnection } from "./connection.ts";
import type { HelperCommand } from "./helper.ts";
import { execPayload, FRAME_MAX_BYTES, FrameDecoder, frame, T } from "./protocol.ts";

const known = fc.constantFrom(T.stdout, T.stderr, T.data, T.socketData, T.failed, T.error);
const frames = fc.array(
  fc.record({ type: known, id: fc.nat(2 ** 32 - 1), payload: fc.uint8Array({ maxLength: 200 }) }),
  { maxLength: 20 },
);

it("gives every frame back, however the bytes are cut", () => {
  fc.assert(
    fc.property(frames, fc.array(fc.integer({ min: 1, max: 64 }), { minLength: 1 }), (list, cuts) => {
      const bytes = Buffer.concat(list.map(({ type, id, payload }) => frame(type, id, payload)));
      const seen: unknown[] = [];
      const decoder = new FrameDecoder((type, id, payload) =>
        seen.push({ type, id, payload: new Uint8Array(payload) }),
      );
      for (let at = 0, turn = 0; at < bytes.length; turn++) {
        const step = cuts[turn % cuts.length]!;
        decoder.push(bytes.subarray(at, at + step));
        at += step;
      }
      expect(seen).toEqual(list);
    }),
  );
});

it("refuses any other bytes with sandbox_protocol", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      try {
        new FrameDecoder(() => {}).push(Buffer.from(bytes));
      } catch (error) {
        expect(error).toMatchObject({ code: "sandbox_protocol" });
      }
    }),
    { numRuns: 1000 },
  );
  const long = frame(T.stdout, 1, null);
  long.writeUInt32LE(FRAME_MAX_BYTES + 1, 0);
  expect(() => new FrameDecoder(() => {}).push(long)).toThrow(/frame/);
  expect(() => new FrameDecoder(() => {}).push(frame(T.status, 1, Buffer.alloc(7)))).toThrow(/frame/);
});

it("an exec payload that does not fit is refused", () => {
  const request = {
    flags: 0,
    timeoutMs: 0,
    maxBytes: 1,
    rows: 0,
    cols: 0,
    cwd: "/",
    argv: ["x".repeat(FRAME_MAX_BYTES)],
    env: [],
  };
  expect(execPayload(request)).toBeNull();
  expect(
    execPayload({ ...request, argv: ["a", ""], env: ["B=1"] })
      ?.subarray(24)
      .toString(),
  ).toBe("/\0a\0\0B=1\0");
});

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "lachesis-hostile-"));
});
afterAll(() => rmSync(directory, { recursive: true }));

/** A program that says ready and then the given bytes, whatever it is told. */
function hostile(bytes: Buffer): HelperCommand {
  const path = join(directory, `helper-${Math.random().toString(36).slice(2)}`);
  const octal = [...Buffer.concat([frame(T.ready, 0, null), bytes])]
    .map((byte) => `\\${byte.toString(8).padStart(3, "0")}`)
    .join("");
  writeFileSync(path, `#!/bin/sh\nexec 2>/dev/null\nprintf '${octal}'\nexec /bin/cat >/dev/null\n`);
  chmodSync(path, 0o755);
  return { path, args: [] };
}

it.each([
  ["an id that was never given out", frame(T.stdout, 77, Buffer.from("x"))],
  ["a connection nobody listens for", frame(T.socketOpen, 0x80000000, Buffer.alloc(4))],
  ["a connection with an id of ours", frame(T.socketOpen, 5, Buffer.alloc(4))],
  ["an unknown type", Buffer.from([0, 0, 0, 0, 1, 0, 0, 0, 7])],
  ["a length of 4 GB", Buffer.from([255, 255, 255, 255, 1, 0, 0, 0, 49])],
  ["a status of the wrong length", frame(T.status, 1, Buffer.alloc(3))],
])("ends the sandbox at %s", async (_, bytes) => {
  const connection = new HelperConnection(hostile(bytes), Buffer.from("x=1\0"));
  const command = new Command(connection, "exec", () => {});
  await connection.ready.catch(() => {});
  try {
    command.start(Buffer.from("x"));
    await expect(command.ended).rejects.toMatchObject({ code: "sandbox_protocol" });
  } catch (error) {
    expect(error).toMatchObject({ code: "sandbox_protocol" }); // it was faster than we were
  }
  expect(await connection.closed).toMatchObject({ code: "sandbox_protocol" });
});

it("survives a helper that sends random frames, and one that can't be started", async () => {
  for (let round = 0; round < 10; round++) {
    const list = fc.sample(frames, 1)[0]!;
    const connection = new HelperConnection(
      hostile(Buffer.concat(list.map(({ type, id, payload }) => frame(type, id % 3, payload)))),
      Buffer.from("x=1\0"),
    );
    const command = new Command(connection, "exec", () => {});
    await connection.ready.catch(() => {});
    let ended: Promise<unknown> = Promise.resolve();
    try {
      command.start(Buffer.from("x"));
      ended = command.ended;
    } catch (error) {
      expect(error).toHaveProperty("code");
    }
    await connection.close();
    await ended.catch((error: unknown) => expect(error).toHaveProperty("code"));
  }
  const missing = new HelperConnection({ path: join(directory, "missing"), args: [] }, Buffer.from("x=1\0"));
  await expect(missing.ready).rejects.toMatchObject({ code: "sandbox_create" });
});
