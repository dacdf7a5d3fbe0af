/** The tensors of a Llama checkpoint under their Hugging Face names, each of the shape that the configuration asks for. */
import { LachesisError } from "../../core/index.ts";
import type { ModelConfig } from "./model-config.ts";
import type { Tensor } from "./safetensors.ts";

/** Matrices are [out][in], row by row. */
export interface LayerWeights {
  attentionNorm: Float32Array;
  query: Float32Array;
  key: Float32Array;
  value: Float32Array;
  output: Float32Array;
  mlpNorm: Float32Array;
  gate: Float32Array;
  up: Float32Array;
  down: Float32Array;
}

export interface Weights {
  embedding: Float32Array;
  layers: LayerWeights[];
  finalNorm: Float32Array;
  /** The embedding itself where they are tied. */
  logits: Float32Array;
}

/** Throws `weights_invalid`: a tensor is missing, has another shape, or is not of this architecture. */
export function arrangeWeights(tensors: ReadonlyMap<string, Tensor>, config: ModelConfig, file: string): Weights {
  const rest = new Set(tensors.keys());
  const take = (name: string, ...shape: number[]): Float32Array => {
    const tensor = tensors.get(name);
    rest.delete(name);
    if (!tensor) {
      throw new LachesisError("weights_invalid", `${file}: the tensor ${name} is missing.`, {
        details: { file, name },
      });
    }
    if (tensor.shape.length !== shape.length || tensor.shape.some((size, axis) => size !== shape[axis])) {
      const message = `${file}: ${name} has the shape [${tensor.shape}]; config.json asks for [${shape}].`;
      throw new LachesisError("weights_invalid", message, { details: { file, name } });
    }
    return tensor.data;
  };
  const { hiddenSize, vocabSize, intermediateSize } = config;
  const queries = config.heads * config.headSize;
  const keys = config.kvHeads * config.headSize;
  const embedding = take("model.embed_tokens.weight", vocabSize, hiddenSize);
  const layers = Array.from({ length: config.layers }, (_, index): LayerWeights => {
    const at = `model.layers.${index}`;
    return {
      attentionNorm: take(`${at}.input_layernorm.weight`, hiddenSize),
      query: take(`${at}.self_attn.q_proj.weight`, queries, hiddenSize),
      key: take(`${at}.self_attn.k_proj.weight`, keys, hiddenSize),
      value: take(`${at}.self_attn.v_proj.weight`, keys, hiddenSize),
      output: take(`${at}.self_attn.o_proj.weight`, hiddenSize, queries),
      mlpNorm: take(`${at}.post_attention_layernorm.weight`, hiddenSize),
      gate: take(`${at}.mlp.gate_proj.weight`, intermediateSize, hiddenSize),
      up: take(`${at}.mlp.up_proj.weight`, intermediateSize, hiddenSize),
      down: take(`${at}.mlp.down_proj.weight`, hiddenSize, intermediateSize),
    };
  });
  const finalNorm = take("model.norm.weight", hiddenSize);
  // Some writers store the tied output layer too; it must then be the embedding.
  const tied = config.tiedEmbeddings;
  const logits = tied && !rest.has("lm_head.weight") ? embedding : take("lm_head.weight", vocabSize, hiddenSize);
  if (tied && logits.some((value, index) => value !== embedding[index])) {
    const message = `${file}: lm_head.weight differs from the embedding, which config.json calls tied.`;
    throw new LachesisError("weights_invalid", message, { details: { file } });
  }
  const unknown = [...rest].filter((name) => !name.endsWith("rotary_emb.inv_freq"));
  if (unknown.length > 0) {
    const message = `${file}: ${unknown.slice(0, 5).join(", ")} do not belong to a Llama of ${config.layers} layers.`;
    throw new LachesisError("weights_invalid", message, { details: { file, unknown } });
  }
  return { embedding, layers, finalNorm, logits };
}

/** A tied output layer counts once. */
export function countParameters({ embedding, layers, finalNorm, logits }: Weights): number {
  const matrices = layers.flatMap((layer): Float32Array[] => Object.values(layer));
  const all = [embedding, finalNorm, ...matrices, ...(logits === embedding ? [] : [logits])];
  return all.reduce((sum, tensor) => sum + tensor.length, 0);
}
