/**
 * Tokens for rollouts on servers that give none: the chat template's ids with the assistant's spans unmasked. They are
 * not what the engine sampled and have no log-probabilities, so they are good for supervised training only.
 */
import type { ChatMessage, ToolSchema } from "../../core/index.ts";
import { MASKED, renderConversation, type TrainingSequence } from "../../tokens/index.ts";
import type { ChatTokenizer } from "./chat-tokenizer.ts";

/** null where the template does not render the conversation as a prefix of itself, so that no span can be told. */
export function renderedSequence(
  tokenizer: ChatTokenizer,
  messages: readonly ChatMessage[],
  options: { tools: readonly ToolSchema[] | null; finishReason: string; templateKwargs?: Record<string, unknown> },
): TrainingSequence | null {
  const { tools, finishReason, templateKwargs = {} } = options;
  const render = (count: number, addGenerationPrompt: boolean) =>
    renderConversation(tokenizer, messages.slice(0, count), { tools, addGenerationPrompt, templateKwargs });
  const full = render(messages.length, false);
  const tokens: number[] = [];
  const masks: number[] = [];
  const add = (text: string, train: boolean) => {
    const ids = tokenizer.encode(text, { addSpecialTokens: false });
    for (const id of ids) {
      tokens.push(id);
      masks.push(train ? id : MASKED);
    }
  };
  let at = 0;
  let spans = 0;
  messages.forEach((message, index) => {
    if (message.role !== "assistant") return;
    const prompt = index === 0 ? "" : render(index, true);
    const turn = render(index + 1, false);
    if (!full.startsWith(prompt) || !full.startsWith(turn) || prompt.length < at || turn.length < prompt.length) return;
    // White space behind the end token belongs to the template, not to the answer.
    const end = turn.trimEnd().length;
    add(full.slice(at, prompt.length), false);
    add(full.slice(prompt.length, end), true);
    at = end;
    spans++;
  });
  if (spans === 0) return null;
  add(full.slice(at), false);
  return {
    tokens,
    masks,
    inference_logprobs: null,
    weight_versions: null,
    finish_reason: finishReason,
    branch: "start",
    nodes: [],
  };
}
