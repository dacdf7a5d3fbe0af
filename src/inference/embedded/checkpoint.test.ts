import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { CheckpointFolders, encodeSafetensors, randomEntries, tinyConfig } from "./checkpoint.fixture.ts";
import { loadCheckpoint } from "./checkpoint.ts";

const folders = new CheckpointFolders();
afterAll(() => folders.remove());

const weights = encodeSafetensors(randomEntries(1));
const without = (name: string) => {
  const { [name]: _left, ...rest } = randomEntries(1);
  return encodeSafetensors(rest);
};

describe("loadCheckpoint", () => {
  it("loads a folder, and a single file with the sizes of its config.json or of the model in use", async () => {
    const network = await loadCheckpoint(folders.random(1), null);
    expect(network.config).toMatchObject({ layers: 2, heads: 2, kvHeads: 1, headSize: 4, stopTokens: [2] });
    expect(network.parameters).toBe(40 * 8 + 2 * (8 + 64 + 32 + 32 + 64 + 8 + 3 * 96) + 8);
    const alone = folders.make({ weights });
    expect((await loadCheckpoint(join(alone, "model.safetensors"), network.config)).config).toBe(network.config);
  });

  it.each([
    ["there is no folder", () => "/nonexistent/model", "not_found", /no \/nonexistent/],
    ["config.json is missing", () => folders.make({ weights }), "not_found", /config\.json/],
    ["the weights are missing", () => folders.make({ config: tinyConfig }), "not_found", /model\.safetensors/],
    [
      "a tensor is missing",
      () => folders.make({ config: tinyConfig, weights: without("model.norm.weight") }),
      "weights_invalid",
      /model\.norm\.weight is missing/,
    ],
    [
      "a shape is wrong",
      () => folders.make({ config: { ...tinyConfig, vocab_size: 41 }, weights }),
      "weights_invalid",
      /embed_tokens\.weight has the shape \[40,8\].*\[41,8\]/,
    ],
    [
      "there are more layers than config.json says",
      () => folders.make({ config: { ...tinyConfig, num_hidden_layers: 1 }, weights }),
      "weights_invalid",
      /do not belong/,
    ],
    [
      "another architecture is named",
      () => folders.make({ config: { ...tinyConfig, model_type: "gpt2" }, weights }),
      "weights_invalid",
      /model_type/,
    ],
    [
      "the rope is scaled",
      () => folders.make({ config: { ...tinyConfig, rope_scaling: { factor: 2 } }, weights }),
      "weights_invalid",
      /rope_scaling/,
    ],
    [
      "a size is no number",
      () => folders.make({ config: { ...tinyConfig, hidden_size: "8" }, weights }),
      "weights_invalid",
      /hidden_size/,
    ],
    [
      "the output layer is neither tied nor there",
      () => folders.make({ config: { ...tinyConfig, tie_word_embeddings: false }, weights }),
      "weights_invalid",
      /lm_head/,
    ],
  ])("says so when %s", async (_what, make, code, message) => {
    await expect(loadCheckpoint(make(), null)).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  });
});
