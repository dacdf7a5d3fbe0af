/** The client of each server type, loaded when the first server of that type is used. */
import { LachesisError } from "../core/index.ts";
import type { ClientFactory } from "./client.ts";
import type { ServerType } from "./server-config.ts";

const factories = new Map<ServerType, ClientFactory>([
  [
    "openai",
    async (config, services) => {
      const { OpenAIClient } = await import("./openai-client.ts");
      return new OpenAIClient(config, services);
    },
  ],
  [
    "vllm",
    async (config, services) => {
      const { VllmClient } = await import("./vllm-client.ts");
      return new VllmClient(config, services);
    },
  ],
  [
    "sglang",
    async (config, services) => {
      const { SglangClient } = await import("./sglang-client.ts");
      return new SglangClient(config, services);
    },
  ],
  [
    "trl",
    async (config, services) => {
      const { TrlClient } = await import("./trl-client.ts");
      return new TrlClient(config, services);
    },
  ],
  [
    "embedded",
    async (config) => {
      const { EmbeddedClient } = await import("./embedded/index.ts");
      return EmbeddedClient.open(config);
    },
  ],
]);

/** Puts a client in the place of a type's own; the last registration counts. */
export function registerServerType(type: ServerType, factory: ClientFactory): void {
  factories.set(type, factory);
}

export function clientFactoryOf(type: ServerType): ClientFactory {
  const factory = factories.get(type);
  if (factory === undefined) {
    throw new LachesisError("unsupported", `No client for the server type "${type}" is registered.`);
  }
  return factory;
}
