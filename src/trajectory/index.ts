/** The trajectory room: the durable exchange between environments and trainers. */
export { type BatchClientOptions, type TakenBatch, takeBatches } from "./client/batch-client.ts";
export { EnvClient, type EnvClientOptions, type WatchedStatus } from "./client/env-client.ts";
export { Outbox, type OutboxOptions } from "./client/outbox.ts";
export * from "./contract.ts";
export { API_DEFAULTS, type ApiOptions, type RunningApi, startApi } from "./server/start.ts";
export { readGroup, writeGroup } from "./wire/group.ts";
