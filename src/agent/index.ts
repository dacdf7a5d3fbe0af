/** The agent: a loop over a model and its tools. */
export * from "./budget.ts";
export * from "./contract.ts";
export * from "./loop.ts";
export * from "./tool-context.ts";
export * from "./tool-handler.ts";
