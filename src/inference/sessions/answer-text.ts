/** From sampled ids to the message that an agent sees. Parsing changes the message only; the graph keeps the ids. */
import { randomUUID } from "node:crypto";
import type { ChatMessage, ToolSchema } from "../../core/index.ts";
import { getParser } from "../../parsers/index.ts";
import type { FinishReason } from "../contract.ts";

/** A generation prompt that leaves a thinking block open, in the markup of any family. */
const OPEN_THINKING = /(<[^<>\s]*think[^<>\s]*>|\[THINK\])\s*$/i;

export interface ParsedAnswer {
  message: ChatMessage;
  finish_reason: FinishReason;
}

export function parseAnswer(options: {
  /** Text of the sampled ids without the token that ended the turn. */
  text: string;
  /** Text of the prompt before it; its end may have opened a thinking block. */
  prompt: string;
  finishReason: FinishReason;
  tools: readonly ToolSchema[] | null;
  toolCallParser: string;
  templateKwargs: Record<string, unknown>;
}): ParsedAnswer {
  const { text, finishReason, tools } = options;
  const opened = OPEN_THINKING.exec(options.prompt)?.[0] ?? "";
  const parsed = getParser(options.toolCallParser).parse(opened + text, {
    tools: tools ?? [],
    reasoning: true,
    templateKwargs: options.templateKwargs,
  });
  const calls = tools?.length ? parsed.tool_calls : [];
  // Without tools nothing is a call: the text stays as the model wrote it, less its reasoning.
  const whole = tools?.length || parsed.tool_calls.length === 0;
  const content = whole
    ? [parsed.content, parsed.rest].filter(Boolean).join("\n")
    : withoutReasoning(text, parsed.reasoning);
  const message: ChatMessage = {
    role: "assistant",
    content: content === "" && calls.length > 0 ? null : content,
    ...(calls.length > 0 && { tool_calls: calls.map((call) => ({ ...call, id: call.id || `call_${randomUUID()}` })) }),
    ...(parsed.reasoning && { reasoning_content: parsed.reasoning }),
  };
  return { message, finish_reason: calls.length > 0 && finishReason === "stop" ? "tool_calls" : finishReason };
}

function withoutReasoning(text: string, reasoning: string | null | undefined): string {
  if (!reasoning) return text;
  const end = text.indexOf(reasoning) + reasoning.length;
  return text
    .slice(end)
    .replace(/^\s*(<\/[^<>\s]*think[^<>\s]*>|\[\/THINK\])/i, "")
    .trimStart();
}
