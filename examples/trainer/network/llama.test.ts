import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { seededRandom } from "lachesis/core";
import { EmbeddedServer, type ModelConfig, readModelConfig, readSafetensors, TINY_MODEL } from "lachesis/inference";
import { afterAll, describe, expect, it } from "vitest";
import { Llama } from "./llama.ts";
import { view } from "./parameters.ts";
import { buildTree, type TreeSequence } from "./token-tree.ts";

const small: ModelConfig = {
  vocabSize: 11,
  hiddenSize: 8,
  layers: 2,
  heads: 4,
  kvHeads: 2,
  headSize: 2,
  intermediateSize: 10,
  contextLength: 32,
  normEpsilon: 1e-5,
  ropeTheta: 100,
  tiedEmbeddings: true,
  stopTokens: [],
};

/** Sequences that share beginnings, one inside another, and one that shares nothing. */
const sequences: TreeSequence[] = [
  { tokens: [1, 2, 3, 4, 5, 6], trained: [3, 4, 5] },
  { tokens: [1, 2, 3, 4, 7, 8, 9], trained: [3, 4, 6] },
  { tokens: [1, 2, 3, 4], trained: [3] },
  { tokens: [1, 2, 3, 4, 5, 6], trained: [3, 4, 5] },
  { tokens: [5, 5, 5], trained: [1, 2] },
];
const targetsOf = (list: readonly TreeSequence[]) =>
  list.map(({ tokens, trained }) => trained.map((at) => tokens[at]!));

function randomWeights(llama: Llama, seed: number): Float64Array {
  const random = seededRandom(seed);
  return Float64Array.from({ length: llama.parameters.length }, () => (random() - 0.5) * 1.6);
}

describe.each([
  ["tied", small],
  ["untied, one key head", { ...small, tiedEmbeddings: false, kvHeads: 1 }],
])("the gradient, %s", (_name, config) => {
  it("equals central differences of every weight", () => {
    const llama = new Llama(config);
    const weights = randomWeights(llama, 3);
    const tree = buildTree(sequences);
    const targets = targetsOf(sequences);
    const random = seededRandom(8);
    const flow = targets.map((list) => Float64Array.from(list, () => random() - 0.4));
    const loss = () => {
      llama.setWeights(weights);
      const { logprobs } = llama.forward(tree, targets);
      return logprobs.reduce((sum, list, s) => sum + list.reduce((inner, lp, t) => inner + lp * flow[s]![t]!, 0), 0);
    };
    llama.setWeights(weights);
    const gradient = new Float64Array(weights.length);
    llama.backward(llama.forward(tree, targets), targets, flow, gradient);
    for (const slot of llama.parameters.slots) {
      const analytic = view(gradient, slot);
      for (let index = 0; index < slot.length; index++) {
        const at = slot.offset + index;
        const kept = weights[at]!;
        const step = 1e-5;
        weights[at] = kept + step;
        const above = loss();
        weights[at] = kept - step;
        const below = loss();
        weights[at] = kept;
        const numeric = (above - below) / (2 * step);
        const error = Math.abs(numeric - analytic[index]!) / Math.max(1, Math.abs(numeric));
        expect(error, `${slot.name} [${index}]: ${analytic[index]} against ${numeric}`).toBeLessThan(1e-7);
      }
    }
  });
});

describe("a tree of sequences", () => {
  it("gives every sequence the log-probabilities and the gradient that it has alone", () => {
    const llama = new Llama(small);
    llama.setWeights(randomWeights(llama, 5));
    const sequence = fc
      .array(fc.integer({ min: 0, max: 2 }), { minLength: 2, maxLength: 12 })
      .chain((tokens) =>
        fc
          .uniqueArray(fc.integer({ min: 1, max: tokens.length - 1 }), { minLength: 1 })
          .map((places): TreeSequence => ({ tokens, trained: places.sort((a, b) => a - b) })),
      );
    fc.assert(
      fc.property(fc.array(sequence, { minLength: 1, maxLength: 6 }), (list) => {
        const run = (some: TreeSequence[]) => {
          const targets = targetsOf(some);
          const pass = llama.forward(buildTree(some), targets);
          const gradient = new Float64Array(llama.parameters.length);
          const flow = targets.map((places) => Float64Array.from(places, (token) => token - 0.7));
          llama.backward(pass, targets, flow, gradient);
          return { logprobs: pass.logprobs, gradient };
        };
        const together = run(list);
        const sum = new Float64Array(llama.parameters.length);
        list.forEach((one, index) => {
          const alone = run([one]);
          expect(together.logprobs[index]!.length).toBe(one.trained.length);
          alone.logprobs[0]!.forEach((value, at) => {
            expect(Math.abs(value - together.logprobs[index]![at]!)).toBeLessThan(1e-12);
          });
          alone.gradient.forEach((value, at) => {
            sum[at] = sum[at]! + value;
          });
        });
        sum.forEach((value, at) => {
          expect(Math.abs(value - together.gradient[at]!)).toBeLessThan(1e-10 * Math.max(1, Math.abs(value)));
        });
      }),
      { numRuns: 60 },
    );
  });

  it("computes a common beginning once", () => {
    const tree = buildTree(sequences);
    // 1 2 3 · 4 · 5 | 4 7 8 · 5 5: the last trained token of a sequence is only predicted.
    expect(tree.tokens.length).toBe(3 + 1 + 1 + 2 + 2);
    expect(tree.predictors[0]).toEqual(tree.predictors[3]);
  });
});

describe("the embedded model", async () => {
  const server = await EmbeddedServer.open();
  afterAll(() => server.close());

  it("has the log-probabilities that its server gives", async () => {
    const config = readModelConfig(JSON.parse(readFileSync(join(TINY_MODEL, "config.json"), "utf8")), "config.json");
    const file = join(TINY_MODEL, "model.safetensors");
    const tensors = readSafetensors(readFileSync(file), file);
    const llama = new Llama(config);
    const flat = new Float32Array(llama.parameters.length);
    for (const slot of llama.parameters.slots) view(flat, slot).set(tensors.get(slot.name)!.data);
    llama.setWeights(flat);
    const prompt = server.tokenizer.encode(
      "<|im_start|>user\nCreate a file at ~/a.txt containing exactly: blue<|im_end|>\n",
    );
    const { completions } = await server.generate({
      prompt_token_ids: prompt,
      n: 4,
      max_tokens: 40,
      seed: 2,
      ignore_eos: true,
    });
    const list = completions.map(({ tokens }): TreeSequence => {
      const all = [...prompt, ...tokens];
      return { tokens: all, trained: tokens.map((_, index) => prompt.length + index) };
    });
    const { logprobs } = llama.forward(buildTree(list), targetsOf(list));
    completions.forEach((completion, index) => {
      completion.logprobs.forEach((expected, at) => {
        expect(Math.abs(logprobs[index]![at]! - expected)).toBeLessThan(1e-4);
      });
    });
  });
});
