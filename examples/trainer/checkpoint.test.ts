import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { EmbeddedServer, readSafetensors, TINY_MODEL } from "lachesis/inference";
import { afterAll, describe, expect, it } from "vitest";
import { newAdamWState } from "./adamw.ts";
import { Checkpoints } from "./checkpoint.ts";
import { safetensorsBytes } from "./safetensors-writer.ts";

const root = mkdtempSync(join(tmpdir(), "lachesis-trainer-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let made = 0;
const open = (directory = join(root, String(++made)), dtype: "F32" | "F16" = "F32") =>
  Checkpoints.open({ directory, model: TINY_MODEL, dtype, keep: 2 });

describe("the safetensors writer", () => {
  const roundTrip = (values: Float32Array, dtype: "F32" | "F16") =>
    readSafetensors(safetensorsBytes([{ name: "x", shape: [values.length], data: values }], dtype), "x").get("x")!.data;

  it("gives float32 back bit for bit", () => {
    fc.assert(
      fc.property(fc.float32Array({ noNaN: true, noDefaultInfinity: true }), (values) => {
        expect(roundTrip(values, "F32")).toEqual(values);
      }),
    );
  });

  it("rounds to the nearest float16, in all its ranges", () => {
    const exact = Float32Array.of(0, 1, -2.5, 65_504, 2 ** -14, 2 ** -24, -(2 ** -24), 1023 * 2 ** -24, 0.333251953125);
    expect(roundTrip(exact, "F16")).toEqual(exact);
    // Between two: to the even one; over the last fraction into the next exponent.
    const between = Float32Array.of(1 + 2 ** -11, 1 + 3 * 2 ** -11, 2 - 2 ** -12, 2 ** -25, 3 * 2 ** -25);
    expect([...roundTrip(between, "F16")]).toEqual([1, 1 + 2 ** -9, 2, 0, 2 ** -23]);
    fc.assert(
      fc.property(fc.float({ noNaN: true, min: -60_000, max: 60_000 }), (value) => {
        const half = roundTrip(Float32Array.of(value), "F16")[0]!;
        expect(Math.abs(half - value)).toBeLessThanOrEqual(Math.max(2 ** -25, Math.abs(value) * 2 ** -11));
      }),
    );
    expect(() => roundTrip(Float32Array.of(65_520), "F16")).toThrow(/float16/);
  });
});

describe("checkpoints", () => {
  it("begin with the model, keep weights and optimiser exactly, and go on from the newest", async () => {
    const directory = join(root, "kept");
    const checkpoints = await open(directory);
    const first = await checkpoints.restore();
    expect(first).toMatchObject({ step: 0, batches: [], folder: TINY_MODEL });
    const optimizer = newAdamWState(first.weights.length);
    optimizer.first.fill(0.25);
    optimizer.second.fill(0.125);
    optimizer.updates = 9;
    for (const step of [1, 2, 3]) {
      first.weights[0] = step;
      await checkpoints.save({ step, batches: [`b${step}`], updates: 9, row: null }, first.weights, optimizer);
    }
    // What a kill in the middle of a save leaves behind.
    mkdirSync(join(directory, "making-4"));
    writeFileSync(join(directory, "making-4", "model.safetensors"), "half");
    const again = await (await open(directory)).restore();
    expect(again).toMatchObject({ step: 3, batches: ["b3"], optimizer });
    expect(again.weights).toEqual(first.weights);
    await checkpoints.save({ step: 4, batches: ["b4"], updates: 9, row: null }, first.weights, optimizer);
    await checkpoints.prune();
    expect(readdirSync(directory).sort()).toEqual(["step-000003", "step-000004"]);
  });

  it.each(["F32", "F16"] as const)("are models that the inference server loads, as %s", async (dtype) => {
    const checkpoints = await open(undefined, dtype);
    const { weights } = await checkpoints.restore();
    const state = { step: 1, batches: [], updates: 0, row: null };
    const folder = await checkpoints.save(state, weights, newAdamWState(weights.length));
    const server = await EmbeddedServer.open();
    try {
      const tokens = server.tokenizer.encode(
        "<|im_start|>user\nWrite blue to ~/a.txt<|im_end|>\n<|im_start|>assistant\n",
      );
      const before = await server.generate({ prompt_token_ids: tokens, temperature: 0, max_tokens: 30 });
      expect(await server.load(folder)).toBe(2);
      const after = await server.generate({ prompt_token_ids: tokens, temperature: 0, max_tokens: 30 });
      // The shipped weights are float16: neither form changes them.
      expect(after.completions[0]!.logprobs).toEqual(before.completions[0]!.logprobs);
      expect(existsSync(join(folder, "tokenizer.json"))).toBe(true);
    } finally {
      await server.close();
    }
  });

  it("say what is missing", async () => {
    const options = { directory: join(root, "none"), model: join(root, "nowhere"), dtype: "F32" as const, keep: 1 };
    await expect(Checkpoints.open(options)).rejects.toMatchObject({ code: "not_found" });
  });
});
