/**
 * The sizes of a Llama model out of its config.json. Only what the forward pass computes exactly is accepted: no rope
 * scaling, no biases, SiLU; anything else is an error that names the field.
 */
import { isObject, LachesisError } from "../../core/index.ts";

export interface ModelConfig {
  vocabSize: number;
  hiddenSize: number;
  layers: number;
  heads: number;
  kvHeads: number;
  headSize: number;
  intermediateSize: number;
  /** Longest sequence in tokens, prompt and answer together. */
  contextLength: number;
  normEpsilon: number;
  ropeTheta: number;
  /** The output layer is the embedding. */
  tiedEmbeddings: boolean;
  /** Ids that end an answer; may be empty. */
  stopTokens: number[];
}

/** Throws `weights_invalid` naming the field. */
export function readModelConfig(json: unknown, file: string): ModelConfig {
  const fail = (field: string, found: unknown, wanted: string) =>
    new LachesisError("weights_invalid", `${file}: ${field} is ${JSON.stringify(found)}, ${wanted}.`, {
      details: { file, field },
    });
  if (!isObject(json))
    throw new LachesisError("weights_invalid", `${file} is not a JSON object.`, { details: { file } });
  const rope = isObject(json.rope_parameters) ? json.rope_parameters : {};
  const size = (field: string, standard?: number): number => {
    const value = json[field] ?? standard;
    if (!Number.isSafeInteger(value) || (value as number) < 1) throw fail(field, value, "a positive integer is needed");
    return value as number;
  };
  const positive = (field: string, value: unknown): number => {
    if (typeof value !== "number" || !(value > 0)) throw fail(field, value, "a positive number is needed");
    return value;
  };
  if (json.model_type !== "llama") throw fail("model_type", json.model_type, 'only "llama" can be run');
  if ((json.hidden_act ?? "silu") !== "silu") throw fail("hidden_act", json.hidden_act, 'only "silu" can be run');
  for (const field of ["attention_bias", "mlp_bias"]) {
    if (json[field]) throw fail(field, json[field], "biases are not supported");
  }
  if (json.rope_scaling != null) throw fail("rope_scaling", json.rope_scaling, "it must be null");
  if ((rope.rope_type ?? "default") !== "default") throw fail("rope_type", rope.rope_type, 'it must be "default"');
  const hiddenSize = size("hidden_size");
  const heads = size("num_attention_heads");
  const kvHeads = size("num_key_value_heads", heads);
  if (heads % kvHeads !== 0) throw fail("num_key_value_heads", kvHeads, `it must divide ${heads}`);
  const headSize = size("head_dim", hiddenSize / heads);
  if (headSize % 2 !== 0) throw fail("head_dim", headSize, "it must be even");
  const vocabSize = size("vocab_size");
  const ends = json.eos_token_id ?? [];
  const stopTokens = Array.isArray(ends) ? ends : [ends];
  if (!stopTokens.every((id) => Number.isSafeInteger(id) && id >= 0 && id < vocabSize)) {
    throw fail("eos_token_id", ends, `ids below ${vocabSize} are needed`);
  }
  return {
    vocabSize,
    hiddenSize,
    heads,
    kvHeads,
    headSize,
    stopTokens,
    layers: size("num_hidden_layers"),
    intermediateSize: size("intermediate_size"),
    contextLength: size("max_position_embeddings"),
    normEpsilon: positive("rms_norm_eps", json.rms_norm_eps ?? 1e-6),
    ropeTheta: positive("rope_theta", json.rope_theta ?? rope.rope_theta ?? 10_000),
    tiedEmbeddings: json.tie_word_embeddings === true,
  };
}
