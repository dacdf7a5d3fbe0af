/** Small checkpoints of random weights for tests, written as real files, and the safetensors writer that breaks them. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { seededRandom } from "../../core/index.ts";

export interface Entry {
  dtype: string;
  shape: number[];
  bytes: Uint8Array;
}

export const tinyConfig = {
  model_type: "llama",
  vocab_size: 40,
  hidden_size: 8,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  num_key_value_heads: 1,
  intermediate_size: 12,
  max_position_embeddings: 96,
  rms_norm_eps: 1e-5,
  rope_theta: 10_000,
  tie_word_embeddings: true,
  eos_token_id: 2,
};

/** Lower-case letters and a few others, so that a folder has a tokenizer as well. */
export const tinyTokenizer = {
  model: {
    type: "BPE",
    vocab: Object.fromEntries([..."<>|abcdefghijklmnopqrstuvwxyz0123456789 "].map((c, i) => [c, i])),
    merges: [],
  },
  added_tokens: [],
};

export function encodeSafetensors(entries: Record<string, Entry>): Uint8Array {
  const header: Record<string, unknown> = {};
  let at = 0;
  for (const [name, { dtype, shape, bytes }] of Object.entries(entries)) {
    header[name] = { dtype, shape, data_offsets: [at, at + bytes.length] };
    at += bytes.length;
  }
  const text = new TextEncoder().encode(JSON.stringify(header));
  const length = new Uint8Array(8);
  new DataView(length.buffer).setBigUint64(0, BigInt(text.length), true);
  return Buffer.concat([length, text, ...Object.values(entries).map((entry) => entry.bytes)]);
}

/** All tensors of `tinyConfig`, as float32 of about the usual size. */
export function randomEntries(seed: number, config = tinyConfig): Record<string, Entry> {
  const random = seededRandom(seed);
  const entries: Record<string, Entry> = {};
  const add = (name: string, ...shape: number[]) => {
    const count = shape.reduce((product, size) => product * size, 1);
    const values = Float32Array.from({ length: count }, () => (shape.length === 1 ? 1 : 0) + (random() - 0.5) * 0.8);
    entries[name] = { dtype: "F32", shape, bytes: new Uint8Array(values.buffer) };
  };
  const { hidden_size: size, intermediate_size: inner } = config;
  const keys = (size / config.num_attention_heads) * config.num_key_value_heads;
  add("model.embed_tokens.weight", config.vocab_size, size);
  for (let layer = 0; layer < config.num_hidden_layers; layer++) {
    const at = `model.layers.${layer}`;
    add(`${at}.input_layernorm.weight`, size);
    add(`${at}.self_attn.q_proj.weight`, size, size);
    add(`${at}.self_attn.k_proj.weight`, keys, size);
    add(`${at}.self_attn.v_proj.weight`, keys, size);
    add(`${at}.self_attn.o_proj.weight`, size, size);
    add(`${at}.post_attention_layernorm.weight`, size);
    add(`${at}.mlp.gate_proj.weight`, inner, size);
    add(`${at}.mlp.up_proj.weight`, inner, size);
    add(`${at}.mlp.down_proj.weight`, size, inner);
  }
  add("model.norm.weight", size);
  return entries;
}

/** Temporary model folders; `remove` deletes them all. */
export class CheckpointFolders {
  readonly #made: string[] = [];

  make(files: { config?: unknown; weights?: Uint8Array; tokenizer?: unknown }): string {
    const folder = mkdtempSync(join(tmpdir(), "lachesis-checkpoint-"));
    this.#made.push(folder);
    if (files.config !== undefined) writeFileSync(join(folder, "config.json"), JSON.stringify(files.config));
    if (files.weights !== undefined) writeFileSync(join(folder, "model.safetensors"), files.weights);
    if (files.tokenizer !== undefined) writeFileSync(join(folder, "tokenizer.json"), JSON.stringify(files.tokenizer));
    return folder;
  }

  random(seed: number): string {
    return this.make({ config: tinyConfig, weights: encodeSafetensors(randomEntries(seed)), tokenizer: tinyTokenizer });
  }

  remove(): void {
    for (const folder of this.#made) rmSync(folder, { recursive: true, force: true });
  }
}
