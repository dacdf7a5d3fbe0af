/**
 * The chat messages that every room exchanges, in the OpenAI form. Field names cross boundaries, so they stay in
 * snake_case. A message in a history is never changed after it was appended.
 */
import type { JsonSchema } from "./json.ts";

export interface ToolCall {
  id: string;
  type: "function";
  /** `arguments` is the JSON text as the model wrote it; it need not be valid. */
  function: { name: string; arguments: string };
}

export interface ContentPart {
  type: string;
  text?: string;
  [field: string]: unknown;
}

export interface ChatMessage {
  role: "system" | "developer" | "user" | "assistant" | "tool";
  /** null only beside tool calls. */
  content: string | ContentPart[] | null;
  tool_calls?: ToolCall[];
  /** On tool messages: the id of the call that this answers. */
  tool_call_id?: string;
  name?: string;
  /** The model's reasoning, kept apart from the content. */
  reasoning_content?: string;
  /** The provider's own record of it (signatures, encrypted parts), sent back as it came. */
  reasoning_details?: unknown[];
}

/** A tool as it is offered to a model. */
export interface ToolSchema {
  type: "function";
  function: { name: string; description: string; parameters: JsonSchema; strict?: boolean };
}

/** Tokens and money that a call used. */
export interface Usage {
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens: number;
  /** Part of prompt_tokens that the server had cached; 0 where it does not say. */
  cached_tokens: number;
  /** null where neither the server nor a price table says. */
  cost_usd: number | null;
}

export const noUsage = (): Usage => ({
  prompt_tokens: 0,
  completion_tokens: 0,
  total_tokens: 0,
  cached_tokens: 0,
  cost_usd: null,
});

/** Adds two usages; the cost is null only if both are. */
export function addUsage(a: Usage, b: Usage): Usage {
  return {
    prompt_tokens: a.prompt_tokens + b.prompt_tokens,
    completion_tokens: a.completion_tokens + b.completion_tokens,
    total_tokens: a.total_tokens + b.total_tokens,
    cached_tokens: a.cached_tokens + b.cached_tokens,
    cost_usd: a.cost_usd === null && b.cost_usd === null ? null : (a.cost_usd ?? 0) + (b.cost_usd ?? 0),
  };
}

/** The text of a message's content; parts that are not text are left out. Messages that lack it have none. */
export function textOf(content: ChatMessage["content"] | undefined): string {
  if (typeof content === "string") return content;
  return Array.isArray(content) ? content.map((part) => part?.text ?? "").join("") : "";
}
