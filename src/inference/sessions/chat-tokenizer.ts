/** What a session needs of a tokenizer, and the renderer that the rollout graph works with. */
import type { ChatRenderer, Tokenizer } from "../../tokens/index.ts";

export type ChatTokenizer = Pick<Tokenizer, "encode" | "decode" | "renderChat" | "eosTokenIds" | "bosTokenId">;

export function chatRenderer(tokenizer: ChatTokenizer, templateKwargs: Record<string, unknown> = {}): ChatRenderer {
  return {
    render: (messages, { tools, addGenerationPrompt }) =>
      tokenizer.renderChat(messages, { tools, addGenerationPrompt, templateKwargs }),
    encode: (text) => tokenizer.encode(text, { addSpecialTokens: false }),
    tokenText: (id) => tokenizer.decode([id]),
    stopTokens: new Set(tokenizer.eosTokenIds),
    bosToken: tokenizer.bosTokenId,
  };
}
