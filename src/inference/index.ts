/** The inference room: servers that answer chats and token requests, their limits, retries and metrics. */
export { apiKeyOf, baseUrlOf, keyVariableFor } from "./api-keys.ts";
export * from "./contract.ts";
export * from "./server-config.ts";
