/** Metrics: what is measured per step, and the sinks that take it. */
export * from "./file-sink.ts";
export * from "./rollout-table.ts";
export * from "./sink.ts";
export * from "./spread.ts";
export * from "./step-metrics.ts";
export * from "./tool-errors.ts";
