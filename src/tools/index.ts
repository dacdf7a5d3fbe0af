export * from "./contract.ts";
export {
  createToolHandler,
  type ToolCallOutcome,
  type ToolCallPlace,
  type ToolHandler,
  type ToolHandlerOptions,
} from "./dispatch.ts";
export { endsRollout } from "./fatal.ts";
export { ResultBudget, type ResultBudgetOptions } from "./result-budget.ts";
export { DEFAULT_TOOL_SETTINGS, RolloutTools, type RolloutToolsOptions } from "./rollout-context.ts";
