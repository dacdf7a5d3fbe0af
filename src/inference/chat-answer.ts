/**
 * Reading of a chat answer, whatever state it is in. Afterwards it always holds: content is a string or null, every tool
 * call has a string of arguments and an id that no other call of the conversation has, reasoning is in
 * `reasoning_content`. What the model wrote is kept as it is, even if it is no valid JSON: the loop tells the model.
 */
import { type ChatMessage, isObject, LachesisError, type ToolCall } from "../core/index.ts";
import type { ChatChoice } from "./contract.ts";
import { reasoningOf } from "./reasoning-text.ts";
import { toolCallFrom } from "./tool-calls.ts";

/** The choices of a parsed body. Throws `malformed_response` or `empty_response`. */
export function chatChoices(body: Record<string, unknown>, history: readonly ChatMessage[], url: string): ChatChoice[] {
  if (!Array.isArray(body.choices) || body.choices.length === 0) {
    throw new LachesisError("empty_response", `${url} answered without choices.`);
  }
  return body.choices.map((choice: unknown, position) => {
    if (!isObject(choice) || !isObject(choice.message)) {
      throw new LachesisError("malformed_response", `${url}: choice ${position} has no message.`);
    }
    if (choice.finish_reason === "error") {
      throw new LachesisError(
        "server_error",
        `${url}: generation failed: ${JSON.stringify(choice.error ?? null).slice(0, 300)}`,
      );
    }
    const message = chatMessage(choice.message, history, url);
    return { index: position, message, finish_reason: finishReason(choice.finish_reason, message) };
  });
}

function chatMessage(raw: Record<string, unknown>, history: readonly ChatMessage[], url: string): ChatMessage {
  const parts = contentOf(raw, url);
  const calls = toolCalls(raw, history, url);
  const message: ChatMessage = { role: "assistant", content: parts.content };
  if (calls.length > 0) message.tool_calls = calls;
  const reasoning = reasoningOf(raw) ?? parts.thinking;
  if (reasoning !== null) message.reasoning_content = reasoning;
  if (Array.isArray(raw.reasoning_details) && raw.reasoning_details.length > 0) {
    message.reasoning_details = raw.reasoning_details;
  }
  return message;
}

/** Content as text; providers that answer in parts put their reasoning among them. A refusal is what the model said. */
function contentOf(raw: Record<string, unknown>, url: string): { content: string | null; thinking: string | null } {
  const { content } = raw;
  if (typeof content === "string") return { content, thinking: null };
  if (content === null || content === undefined) {
    return { content: typeof raw.refusal === "string" ? raw.refusal : null, thinking: null };
  }
  if (!Array.isArray(content)) {
    throw new LachesisError("malformed_response", `${url}: content is neither text nor parts.`);
  }
  const thinking = content.map((part: unknown) => (isObject(part) && part.type === "thinking" ? partText(part) : ""));
  const text = content.map((part: unknown) => (isObject(part) && part.type === "thinking" ? "" : partText(part)));
  return { content: text.join(""), thinking: thinking.join("") || null };
}

function partText(part: unknown): string {
  if (typeof part === "string") return part;
  if (!isObject(part)) return "";
  if (Array.isArray(part.thinking)) return part.thinking.map(partText).join("");
  const text = part.text ?? part.thinking;
  return typeof text === "string" ? text : "";
}

function toolCalls(raw: Record<string, unknown>, history: readonly ChatMessage[], url: string): ToolCall[] {
  const legacy = isObject(raw.function_call) ? [{ function: raw.function_call }] : [];
  const listed = isObject(raw.tool_calls) ? [raw.tool_calls] : raw.tool_calls;
  if (listed !== undefined && listed !== null && !Array.isArray(listed)) {
    throw new LachesisError("malformed_response", `${url}: tool_calls is no list.`);
  }
  const calls: unknown[] = listed === undefined || listed === null || listed.length === 0 ? legacy : listed;
  if (calls.length === 0) return [];
  const taken = idsOf(history);
  return calls.map((call) => {
    if (!isObject(call)) throw new LachesisError("malformed_response", `${url}: a tool call is no object.`);
    return toolCallFrom(call, taken);
  });
}

function idsOf(history: readonly ChatMessage[]): Set<string> {
  const ids = new Set<string>();
  for (const message of history) {
    for (const call of message.tool_calls ?? []) ids.add(call.id);
  }
  return ids;
}

/** Servers that leave it out or use other words: `tool_calls` where there are calls, else `stop`. */
function finishReason(reason: unknown, message: ChatMessage): string {
  if (reason === "max_tokens" || reason === "MAX_TOKENS") return "length";
  if (reason === "end_turn" || reason === "eos" || reason === "eos_token" || reason === "STOP") return "stop";
  if (reason === "function_call" || reason === "tool_use") return "tool_calls";
  if (reason === "SAFETY" || reason === "safety") return "content_filter";
  if (typeof reason === "string" && reason !== "") return reason;
  return message.tool_calls === undefined ? "stop" : "tool_calls";
}
