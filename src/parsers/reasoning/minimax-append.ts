/** MiniMax M2 with its reasoning left in the content, behind the opening tag that was part of the prompt. */
import type { ReasoningParser } from "../contract.ts";

export const minimaxAppendThink: ReasoningParser = {
  parse: (text) => ({ reasoning: null, content: `<think>${text}` }),
};
