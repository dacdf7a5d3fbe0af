/**
 * Rows in the ShareGPT form: `conversations` of `{from, value}`; calls and results as text in the Hermes form. Where a
 * message shows a picture the text has `<image>`, and `images` holds them in their order; parts of other kinds likewise.
 */
import type { ChatMessage, ContentPart } from "../../core/index.ts";
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
    return { conversations: messages.map(turnOf), ...mediaOf(messages), ...facts, ...shown };
  }
  if ("pos" in rest && Array.isArray(rest.pos)) {
    const { pos, neg, ...facts } = rest;
    const worse = neg as ChatMessage[];
    const media = mediaOf([...pos, ...worse]);
    return { chosen: pos.map(turnOf), rejected: worse.map(turnOf), ...media, ...facts, ...shown };
  }
  return { ...rest, ...shown };
}

function turnOf(message: WeightedMessage): Turn {
  const parts = [
    message.reasoning_content ? `<think>\n${message.reasoning_content}\n</think>` : "",
    partsOf(message).map(shownPart).join(""),
    ...(message.tool_calls ?? []).map(({ function: { name, arguments: args } }) => {
      return `<tool_call>\n{"name": ${JSON.stringify(name)}, "arguments": ${jsonText(args)}}\n</tool_call>`;
    }),
  ];
  const text = parts.filter((part) => part !== "").join("\n");
  return {
    from: FROM[message.role],
    value: message.role === "tool" ? `<tool_response>\n${text}\n</tool_response>` : text,
    ...(message.weight === 0 && { weight: 0 }),
  };
}

/** Some write them as an object. */
function jsonText(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

function partsOf({ content }: ChatMessage): ContentPart[] {
  if (typeof content === "string") return [{ type: "text", text: content }];
  return content ?? [];
}

/** `image_url` → image: what the part shows; null for text. */
function mediumOf({ type, text }: ContentPart): string | null {
  return typeof text === "string" || typeof type !== "string" ? null : type.replace(/_url$|^input_/g, "");
}

function shownPart(part: ContentPart): string {
  const medium = mediumOf(part);
  return medium === null ? (part.text ?? "") : `<${medium}>`;
}

/** `{images: [address, …]}`, and so for each kind of part that is no text. */
function mediaOf(messages: readonly ChatMessage[]): Record<string, unknown[]> {
  const media: Record<string, unknown[]> = {};
  for (const part of messages.flatMap(partsOf)) {
    const medium = mediumOf(part);
    if (medium === null) continue;
    const value = part[part.type];
    const address = typeof value === "object" && value !== null && "url" in value ? value.url : value;
    const list = media[`${medium}s`] ?? [];
    media[`${medium}s`] = list;
    list.push(address ?? part);
  }
  return media;
}
