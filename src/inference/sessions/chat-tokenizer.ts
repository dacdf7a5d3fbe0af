/** What a session needs of a tokenizer, and the renderer that the rollout graph works with. */
import { LachesisError } from "../../core/index.ts";
import { type ChatRenderer, renderConversation, type Tokenizer } from "../../tokens/index.ts";

export type ChatTokenizer = Pick<
  Tokenizer,
  "encode" | "decode" | "renderChat" | "eosTokenIds" | "bosTokenId" | "isSpecial"
>;

export function chatRenderer(tokenizer: ChatTokenizer, templateKwargs: Record<string, unknown> = {}): ChatRenderer {
  let stopTokens: ReadonlySet<number> | null = null;
  const renderer: Omit<ChatRenderer, "stopTokens"> = {
    render: (messages, { tools, addGenerationPrompt }) =>
      renderConversation(tokenizer, messages, { tools, addGenerationPrompt, templateKwargs }),
    encode: (text) => tokenizer.encode(text, { addSpecialTokens: false }),
    tokenText: (id) => tokenizer.decode([id]),
    bosToken: tokenizer.bosTokenId,
  };
  return {
    ...renderer,
    get stopTokens() {
      stopTokens ??= new Set([...tokenizer.eosTokenIds, ...turnEnd(tokenizer, renderer)]);
      return stopTokens;
    },
  };
}

/**
 * The token with which the template ends an answer, where the model's files do not name it: many tokenizers give the
 * end of a text as their only end token, and chats end their turns with another.
 */
function turnEnd(tokenizer: ChatTokenizer, renderer: Pick<ChatRenderer, "render" | "encode">): number[] {
  const marks = { answer: "LachesisAnswer", next: "LachesisNext" };
  let text: string;
  try {
    text = renderer.render(
      [
        { role: "user", content: "x" },
        { role: "assistant", content: marks.answer },
        { role: "user", content: marks.next },
      ],
      { tools: null, addGenerationPrompt: false },
    );
  } catch (error) {
    // Tokenizers without a chat template complete texts; templates that refuse this chat show no end of a turn.
    if (error instanceof LachesisError && error.code === "template_error") return [];
    throw error;
  }
  const from = text.indexOf(marks.answer) + marks.answer.length;
  const ids = renderer.encode(text.slice(from, text.indexOf(marks.next, from)));
  if (ids.some((id) => tokenizer.eosTokenIds.includes(id))) return [];
  return ids.filter((id) => tokenizer.isSpecial(id)).slice(0, 1);
}
