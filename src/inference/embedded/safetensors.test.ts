import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Entry, encodeSafetensors } from "./checkpoint.fixture.ts";
import { halfToFloat, readSafetensors } from "./safetensors.ts";

const entry = (dtype: string, shape: number[], ...bytes: number[]): Entry => ({
  dtype,
  shape,
  bytes: Uint8Array.from(bytes),
});

describe("readSafetensors", () => {
  it("reads every supported type exactly", () => {
    const f32 = new Uint8Array(Float32Array.of(1.5, -0.1).buffer);
    const f64 = new Uint8Array(Float64Array.of(0.25).buffer);
    const bytes = encodeSafetensors({
      half: entry("F16", [2], 0x00, 0x3c, 0x01, 0x80),
      brain: entry("BF16", [1], 0x80, 0xbf),
      single: { dtype: "F32", shape: [2, 1], bytes: f32 },
      double: { dtype: "F64", shape: [], bytes: f64 },
    });
    const tensors = readSafetensors(bytes, "m");
    expect([...tensors.get("half")!.data]).toEqual([1, -(2 ** -24)]);
    expect([...tensors.get("brain")!.data]).toEqual([-1]);
    expect(tensors.get("single")).toEqual({ shape: [2, 1], data: Float32Array.of(1.5, -0.1) });
    expect([...tensors.get("double")!.data]).toEqual([0.25]);
  });

  it.each([
    ["an empty file", new Uint8Array(0)],
    ["a header longer than the file", Uint8Array.of(255, 255, 0, 0, 0, 0, 0, 0, 123)],
    ["a header that is no JSON", Uint8Array.of(2, 0, 0, 0, 0, 0, 0, 0, 123, 33)],
    ["a type that is not supported", encodeSafetensors({ x: entry("I8", [1], 1) })],
    ["a shape that does not fill the data", encodeSafetensors({ x: entry("F32", [2], 0, 0, 0, 0) })],
    ["a negative size", encodeSafetensors({ x: entry("F32", [-1], 0, 0, 0, 0) })],
    ["data that is cut off", encodeSafetensors({ x: entry("F32", [1], 0, 0, 0, 0) }).subarray(0, -1)],
    ["a number that is not finite", encodeSafetensors({ x: entry("F16", [1], 0x00, 0x7c) })],
  ])("refuses %s", (_what, bytes) => {
    expect(() => readSafetensors(bytes, "broken")).toThrow(expect.objectContaining({ code: "weights_invalid" }));
  });

  it("never throws anything else, whatever the bytes", () => {
    const good = encodeSafetensors({ x: entry("F32", [1], 0, 0, 0, 0), y: entry("F16", [1], 1, 2) });
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.nat(255), (at, value) => {
        const bytes = Uint8Array.from(good);
        bytes[at] = value;
        try {
          readSafetensors(bytes, "fuzzed");
        } catch (error) {
          expect(error).toMatchObject({ code: "weights_invalid" });
        }
      }),
    );
  });
});

describe("halfToFloat", () => {
  it("agrees with the platform's half floats", () => {
    const view = new DataView(new ArrayBuffer(2));
    for (let bits = 0; bits < 65_536; bits += 7) {
      const [sign, exponent, fraction] = [bits >> 15, (bits >> 10) & 31, bits & 1023];
      if (exponent === 31) continue;
      const magnitude = exponent === 0 ? (fraction / 1024) * 2 ** -14 : (1 + fraction / 1024) * 2 ** (exponent - 15);
      view.setUint16(0, bits);
      expect(halfToFloat(view.getUint16(0))).toBe(sign ? -magnitude : magnitude);
    }
  });
});
