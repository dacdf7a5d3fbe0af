/** Rows in the ShareGPT form: `conversations` of `{from, value}`; calls and results as text in the Hermes form. */
import { type ChatMessage, textOf } from "../../core/index.ts";
import type { TrainingRow, WeightedMessage } from "./rows.ts";

const FROM = { system: "system", developer: "system", user: "human", assistant: "gpt", tool: "tool" } as const;

interface Turn {
  from: (typeof FROM)[ChatMessage["role"]];
  value: string;
  weight?: 0;
}

export function shareGpt(row: TrainingRow): Record<string, unknown> {
  const { tools, ...rest } = row;
  const shown = tools ? { tools: JSON.stringify(tools) } : {};
  if ("messages" in rest) {
    const { messages, ...facts } = rest;
    return { conversations: messages.map(turnOf), ...facts, ...shown };
  }
  if ("pos" in rest && Array.isArray(rest.pos)) {
    const { pos, neg, ...facts } = rest;
    return { chosen: pos.map(turnOf), rejected: (neg as ChatMessage[]).map(turnOf), ...facts, ...shown };
  }
  return { ...rest, ...shown };
}

function turnOf(message: WeightedMessage): Turn {
  const parts = [
    message.reasoning_content ? `<think>\n${message.reasoning_content}\n</think>` : "",
    textOf(message.content),
    ...(message.tool_calls ?? []).map(({ function: { name, arguments: args } }) => {
      return `<tool_call>\n{"name": ${JSON.stringify(name)}, "arguments": ${args}}\n</tool_call>`;
    }),
  ];
  const text = parts.filter((part) => part !== "").join("\n");
  return {
    from: FROM[message.role],
    value: message.role === "tool" ? `<tool_response>\n${text}\n</tool_response>` : text,
    ...(message.weight === 0 && { weight: 0 }),
  };
}
