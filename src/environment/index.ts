/** Environments: the classes to derive from, and the modes that run them. */
export { AgentEnv, type Prompt, type Verdict } from "./agent-env.ts";
export * from "./base-env.ts";
export { type EvalOptions, runEvaluation } from "./eval-run.ts";
export { runEvaluate } from "./evaluate.ts";
export * from "./fields.ts";
export type { OpenRun, RunOptions } from "./open-run.ts";
export { runProcess } from "./process.ts";
export * from "./rollout.ts";
export * from "./trajectory.ts";
