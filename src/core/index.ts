/** What every room may use. core imports nothing above itself. */
export * from "./chat.ts";
export * from "./clock.ts";
export * from "./errors.ts";
export * from "./json.ts";
export * from "./log.ts";
export * from "./nearest.ts";
export * from "./pass-at-k.ts";
export * from "./process-start.ts";
export * from "./seeds.ts";
export * from "./semaphore.ts";
