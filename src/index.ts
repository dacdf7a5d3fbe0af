/** The public face of Lachesis: what an environment file imports. The rooms have more (`lachesis/tools`, …). */
export { z } from "zod";
export * from "./agent/index.ts";
export * from "./core/index.ts";
export {
  type Dataset,
  type DatasetRequest,
  epochs,
  loadDataset,
  promptOf,
  type Row,
  seededOrder,
  trainEvalSplit,
} from "./datasets/index.ts";
export * from "./environment/index.ts";
export type {
  Aborted,
  ErrorFacts,
  EvalMetrics,
  Outcome,
  RewardValue,
  RunMode,
  Scored,
  TokenSequence,
  Unscored,
} from "./evaluation/index.ts";
export type { ChatCompletion, ChatRequest, ChatServer } from "./inference/contract.ts";
export type { MetricRow, MetricSink } from "./metrics/index.ts";
export type { Sandbox } from "./sandbox/contract.ts";
export { defineTool, type Tool, type ToolCallContext } from "./tools/index.ts";
