/**
 * The embedded model: decoding after a prompt of 330 tokens, a prompt of 400 tokens, and both through the server with its
 * thread. Times are CPU time of this process, so that a busy machine does not count; the baseline in the same run is the
 * matrix products of the same step alone, written as plain loops.
 *
 *     node bench/model.ts
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { loadCheckpoint } from "../src/inference/embedded/checkpoint.ts";
import { EmbeddedServer, TINY_MODEL } from "../src/inference/embedded/index.ts";
import { KvCache } from "../src/inference/embedded/kv-cache.ts";
import type { ModelConfig } from "../src/inference/embedded/model-config.ts";
import type { Network } from "../src/inference/embedded/network.ts";
import { likeliest } from "../src/inference/embedded/sampler.ts";

const TARGET_DECODE = 1000;
const TARGET_PREFILL_MS = 200;
const ROUNDS = 9;
const DECODED = 100;

/** Prints a table; returns 1 when a target is missed. */
export async function run(_args: readonly string[] = []): Promise<number> {
  const network = await loadCheckpoint(TINY_MODEL, null);
  const prompt = Array.from({ length: 400 }, (_, index) => (index * 37 + 11) % network.config.vocabSize);
  const decodeMs = median(() => decode(network, prompt.slice(0, 330))) / DECODED;
  const prefillMs = median(() => cpuOf(() => prefill(network, prompt)));
  const bareDecodeMs = median(() => cpuOf(() => plainProducts(network.config, 1, 20))) / 20;
  const barePrefillMs = median(() => cpuOf(() => plainProducts(network.config, 400, 1)));
  console.log(`${(network.parameters / 1000).toFixed(0)} k parameters, one thread, CPU time, median of ${ROUNDS}`);
  console.log("                     measured      target      plain loops, products alone   ratio");
  print("decode, tokens/s", 1000 / decodeMs, TARGET_DECODE, 1000 / bareDecodeMs, bareDecodeMs / decodeMs);
  print("400-token prompt, ms", prefillMs, TARGET_PREFILL_MS, barePrefillMs, barePrefillMs / prefillMs);
  await throughServer();
  return 1000 / decodeMs >= TARGET_DECODE && prefillMs <= TARGET_PREFILL_MS ? 0 : 1;
}

function print(name: string, value: number, target: number, plain: number, ratio: number): void {
  const cells = [value.toFixed(0).padStart(9), target.toFixed(0).padStart(12), plain.toFixed(0).padStart(20)];
  console.log(`${name.padEnd(20)} ${cells.join("")} ${ratio.toFixed(2).padStart(17)}`);
}

function prefill(network: Network, tokens: readonly number[]): KvCache {
  const cache = new KvCache(network.config);
  network.forward([{ cache, tokens, logits: "last" }]);
  return cache;
}

/** CPU milliseconds of decoding, the prompt not counted. */
function decode(network: Network, tokens: readonly number[]): number {
  const cache = prefill(network, tokens);
  return cpuOf(() => {
    let token = tokens[0]!;
    for (let count = 0; count < DECODED; count++) {
      token = likeliest(network.forward([{ cache, tokens: [token], logits: "last" }])[0]!);
    }
  });
}

/** The products of one forward pass, output by output, with nothing between them. */
function plainProducts(
  { hiddenSize, intermediateSize, layers, vocabSize }: ModelConfig,
  rows: number,
  times: number,
): void {
  const shapes = [
    ...Array.from({ length: layers * 4 }, () => [hiddenSize, hiddenSize] as const),
    ...Array.from({ length: layers * 2 }, () => [intermediateSize, hiddenSize] as const),
    ...Array.from({ length: layers }, () => [hiddenSize, intermediateSize] as const),
  ];
  const matrices = shapes.map(([outs, size]) => Array.from({ length: outs }, () => new Float32Array(size).fill(0.01)));
  const output = Array.from({ length: vocabSize }, () => new Float32Array(hiddenSize).fill(0.01));
  for (let time = 0; time < times; time++) {
    for (let row = 0; row < rows; row++) for (const matrix of matrices) plainProduct(matrix);
    plainProduct(output);
  }
}

function plainProduct(matrix: readonly Float32Array[]): Float32Array {
  const x = new Float32Array(matrix[0]!.length).fill(0.5);
  return Float32Array.from(matrix, (weights) => {
    let sum = 0;
    for (let k = 0; k < weights.length; k++) sum += weights[k]! * x[k]!;
    return sum;
  });
}

/** Wall time, because the work is another thread's: one answer, and sixteen at once to the same prompt. */
async function throughServer(): Promise<void> {
  const server = await EmbeddedServer.open();
  try {
    const reference = JSON.parse(readFileSync(join(TINY_MODEL, "train/reference.json"), "utf8")) as {
      sequences: { tokens: number[] }[];
    };
    const prompt = reference.sequences[0]!.tokens.slice(0, 190);
    const request = { prompt_token_ids: prompt, max_tokens: 100, ignore_eos: true, seed: 1 };
    await server.generate(request);
    for (const n of [1, 16]) {
      const started = performance.now();
      const { usage } = await server.generate({ ...request, n });
      const seconds = (performance.now() - started) / 1000;
      console.log(
        `server, ${String(n).padStart(2)} at once: ${(usage.completion_tokens / seconds).toFixed(0)} tokens/s (wall)`,
      );
    }
  } finally {
    await server.close();
  }
}

function median(measure: () => number): number {
  const values = Array.from({ length: ROUNDS }, measure).sort((a, b) => a - b);
  return values[Math.floor(ROUNDS / 2)]!;
}

function cpuOf(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

if (import.meta.main) process.exitCode = await run(process.argv.slice(2));
