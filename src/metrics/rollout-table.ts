/**
 * Conversations as people read them in terminals, reports and dashboards: blocks headed `[SYSTEM]`, `[USER]`,
 * `[ASSISTANT thinking]`, `[ASSISTANT]`, `[TOOL CALL]`, `[TOOL RESULT]`, with long parts cut.
 */
import { type ChatMessage, textOf } from "../core/index.ts";

const THINKING_CHARS = 300;
const ARGUMENT_CHARS = 200;
const RESULT_CHARS = 500;

export interface TableRollout {
  messages: readonly ChatMessage[];
  /** A number, or the reason why there is none. */
  score: number | string;
}

export interface TableGroup {
  item_id: string;
  rollouts: readonly TableRollout[];
}

/** The text, cut to so many characters and marked with `...`. */
export function cutText(text: string, most: number): string {
  const characters = text.length > most ? [...text.slice(0, most * 2 + 2)] : [];
  return characters.length > most ? `${characters.slice(0, most).join("")}...` : text;
}

/** One conversation in the readable form. */
export function conversationText(messages: readonly ChatMessage[]): string {
  return messages.flatMap(blocksOf).join("\n\n");
}

/** The whole table: groups under the name of their item, rollouts with their scores. */
export function rolloutTable(groups: readonly TableGroup[]): string {
  return groups
    .flatMap((group) =>
      group.rollouts.map(
        ({ messages, score }) => `=== ${group.item_id} · score ${score} ===\n${conversationText(messages)}`,
      ),
    )
    .join("\n\n");
}

function blocksOf(message: ChatMessage): string[] {
  const text = textOf(message.content);
  switch (message.role) {
    case "system":
    case "developer":
      return [`[SYSTEM]\n${text}`];
    case "user":
      return [`[USER]\n${text}`];
    case "tool":
      return [`[TOOL RESULT] ${cutText(text, RESULT_CHARS)}`];
    case "assistant":
      return [
        ...(message.reasoning_content
          ? [`[ASSISTANT thinking] ${cutText(message.reasoning_content, THINKING_CHARS)}`]
          : []),
        ...(text ? [`[ASSISTANT]\n${text}`] : []),
        ...(message.tool_calls ?? []).map(
          (call) => `[TOOL CALL] ${call.function.name}(${cutText(call.function.arguments, ARGUMENT_CHARS)})`,
        ),
      ];
  }
}
