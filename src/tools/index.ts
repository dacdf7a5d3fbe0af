/** The tools room: what a tool is, which tools exist and are offered, and how their calls are run. */

export { builtinTools, defaultRegistry } from "./builtin.ts";
export * from "./contract.ts";
export { defineTool } from "./define-tool.ts";
export { callToolDirectly, pathForVerifier } from "./direct.ts";
export {
  createToolHandler,
  type ToolCallOutcome,
  type ToolCallPlace,
  type ToolHandler,
  type ToolHandlerOptions,
} from "./dispatch.ts";
export { DISTRIBUTIONS, type Distribution, sampleToolsets } from "./distributions.ts";
export { endsRollout } from "./fatal.ts";
export type { SearchResult } from "./files/search-files.ts";
export { ToolRegistry } from "./registry.ts";
export {
  listDistributions,
  listTools,
  listToolsets,
  type ResolvedTools,
  type ResolveToolsOptions,
  resolveTools,
} from "./resolve.ts";
export { ResultBudget, type ResultBudgetOptions } from "./result-budget.ts";
export { DEFAULT_TOOL_SETTINGS, RolloutTools, type RolloutToolsOptions } from "./rollout-context.ts";
export { toolNamesOf, toolsetNames } from "./toolsets.ts";
