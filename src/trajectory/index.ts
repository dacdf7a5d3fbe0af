/** The trajectory room: the durable exchange between environments and trainers. */
export * from "./contract.ts";
export { API_DEFAULTS, type ApiOptions, type RunningApi, startApi } from "./server/start.ts";
export { readGroup, writeGroup } from "./wire/group.ts";
