/** Sessions: token-exact views of rollouts. */
export type { ChatTokenizer } from "./chat-tokenizer.ts";
export { renderedSequence } from "./rendered.ts";
export { Session, type SessionOptions } from "./session.ts";
