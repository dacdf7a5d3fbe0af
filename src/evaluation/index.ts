/** Evaluation: outcomes, the journal and resume, statistics, the evaluate_log form and the report. */
export * from "./append-log.ts";
export * from "./eval-metrics.ts";
export * from "./evaluate-log.ts";
export * from "./journal.ts";
export * from "./json-lines.ts";
export * from "./outcome.ts";
export * from "./record.ts";
export * from "./recorder.ts";
export * from "./report/index.ts";
export * from "./run-directory.ts";
export * from "./statistics.ts";
export * from "./text-table.ts";
export * from "./v1-group.ts";
