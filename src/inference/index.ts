/** The inference room: servers that answer chats and token requests, their limits, retries and metrics. */
export type { LimitChange, LimitReason } from "./adaptive-limit.ts";
export { apiKeyOf, baseUrlOf, keyVariableFor } from "./api-keys.ts";
export type * from "./client.ts";
export * from "./contract.ts";
export {
  type EmbeddedCompletion,
  EmbeddedServer,
  type EmbeddedServerOptions,
  embeddedModelFolder,
  type ModelConfig,
  readModelConfig,
  readSafetensors,
  type Tensor,
  TINY_MODEL,
} from "./embedded/index.ts";
export { isFatalToRun } from "./http-errors.ts";
export * from "./proxy/index.ts";
export { EFFORT_BUDGET } from "./reasoning-options.ts";
export * from "./server-config.ts";
export { ServerManager, type ServerManagerOptions } from "./server-manager.ts";
export { registerServerType } from "./server-types.ts";
export * from "./sessions/index.ts";
