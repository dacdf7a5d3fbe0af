import { constants, zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { zstdFrames } from "./zstd-frames.ts";

const compressed = (text: string | Uint8Array, checksum: boolean) =>
  zstdCompressSync(text, { params: { [constants.ZSTD_c_checksumFlag]: Number(checksum) } });
const skippable = (length: number) => {
  const frame = Buffer.alloc(8 + length);
  frame.writeUInt32LE(0x184d2a57, 0);
  frame.writeUInt32LE(length, 4);
  return frame;
};

describe("frames of a zstd text", () => {
  it("are found whatever they hold, and missed wherever they are cut", () => {
    const part = fc.tuple(fc.uint8Array({ maxLength: 300 }), fc.boolean());
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 4 }), fc.nat(), (parts, cut) => {
        const frames = parts.map(([bytes, checksum]) => compressed(bytes, checksum));
        const whole = Buffer.concat([skippable(3), ...frames]);
        const found = zstdFrames(whole)!.map(([start, end]) => whole.subarray(start, end));
        expect(found).toEqual(frames);
        const last = frames.at(-1)!.length;
        expect(zstdFrames(whole.subarray(0, whole.length - 1 - (cut % (last - 1))))).toBeNull();
      }),
    );
  });

  it("may have many blocks, and may not be too many", () => {
    const long = compressed(
      Uint8Array.from({ length: 700_000 }, (_, index) => (index * index) >> 7),
      true,
    );
    expect(zstdFrames(long)).toEqual([[0, long.length]]);
    const repeated = compressed(Buffer.alloc(5_000_000, 7), false);
    expect(zstdFrames(repeated)).toEqual([[0, repeated.length]]);
    const one = compressed("x", false);
    expect(zstdFrames(Buffer.concat(Array(1_000).fill(one)))).toHaveLength(1_000);
    expect(zstdFrames(Buffer.concat(Array(1_001).fill(one)))).toBeNull();
    expect(zstdFrames(Buffer.from("no zstd at all"))).toBeNull();
    expect(zstdFrames(Buffer.alloc(0))).toEqual([]);
  });
});
