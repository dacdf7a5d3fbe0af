/** The rollout graph and what is made of it. */

export { type ChatPrompt, ChatTracker } from "./chat-tracker.ts";
export * from "./drift.ts";
export * from "./graph.ts";
export * from "./nodes-view.ts";
export * from "./sequences.ts";
export type { ChatRenderer } from "./turn-glue.ts";
