/** The rollout graph and what is made of it. */
export * from "./drift.ts";
export * from "./graph.ts";
export * from "./nodes-view.ts";
export * from "./sequences.ts";
