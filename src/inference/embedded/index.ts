/** The embedded model: a small language model that runs inside the process, token-exact. */
export { EmbeddedClient, embeddedModelFolder } from "./embedded-client.ts";
export {
  type EmbeddedCompletion,
  type EmbeddedPromptLogprobs,
  type EmbeddedResult,
  EmbeddedServer,
  type EmbeddedServerOptions,
} from "./embedded-server.ts";
export { TINY_MODEL } from "./model.ts";
export { type ModelConfig, readModelConfig } from "./model-config.ts";
export { readSafetensors, type Tensor } from "./safetensors.ts";
