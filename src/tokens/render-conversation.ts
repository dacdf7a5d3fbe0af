/** A conversation in the OpenAI form as a model's chat template prints it. */
import { type ChatMessage, LachesisError, type ToolSchema } from "../core/index.ts";
import { hasBrokenArguments, withParsedArguments } from "./call-arguments.ts";
import type { Tokenizer } from "./tokenizer.ts";

export interface ConversationOptions {
  /** null: none. */
  tools: readonly ToolSchema[] | null;
  addGenerationPrompt: boolean;
  templateKwargs?: Readonly<Record<string, unknown>>;
}

/**
 * Renders messages whose calls carry their arguments as JSON text. Arguments that are no JSON are shown as they are, or
 * left out where the template cannot show text.
 * @throws LachesisError `template_error`
 */
export function renderConversation(
  tokenizer: Pick<Tokenizer, "renderChat">,
  messages: readonly ChatMessage[],
  options: ConversationOptions,
): string {
  try {
    return tokenizer.renderChat(withParsedArguments(messages), options);
  } catch (error) {
    const refused = error instanceof LachesisError && error.code === "template_error";
    if (!refused || !hasBrokenArguments(messages)) throw error;
    return tokenizer.renderChat(withParsedArguments(messages, "empty"), options);
  }
}
