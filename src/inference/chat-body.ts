/**
 * The body of a chat request. Nothing is sent that a strict API refuses: arguments are strings, function names have the
 * allowed letters, there is no empty `tool_calls` and no null content without calls. Messages that are already so, which
 * is nearly all, are not copied; the caller's history is never changed.
 */
import type { ChatMessage, ToolCall } from "../core/index.ts";
import type { ChatRequest, SamplingParams } from "./contract.ts";

/** What differs between servers of the same protocol; learnt from the host and from what they refuse. */
export interface WireHabits {
  /** api.openai.com itself: its names for limits and reasoning. */
  isOpenAI: boolean;
  /** `max_tokens` is called `max_completion_tokens`. */
  maxCompletionTokens: boolean;
  /** Reasoning in the history is refused. */
  refusesReasoning: boolean;
}

const STRICT_NAME = /^[a-zA-Z0-9_-]{1,64}$/;

export interface ChatBodyParts {
  model: string;
  habits: WireHabits;
  /** Merged in this order: reasoning, the server's extra_body, the request's own. */
  reasoning: Record<string, unknown>;
  extraBody: Record<string, unknown>;
}

export function chatBody(request: ChatRequest, parts: ChatBodyParts): Record<string, unknown> {
  const { habits } = parts;
  const body: Record<string, unknown> = {
    model: parts.model,
    messages: request.messages.map((message) => wireMessage(message, habits)),
    ...samplingFields(request),
  };
  if (request.tools !== undefined && request.tools.length > 0) {
    body.tools = request.tools;
    if (request.tool_choice !== undefined) body.tool_choice = request.tool_choice;
  }
  if (request.response_format !== undefined) body.response_format = request.response_format;
  Object.assign(body, parts.reasoning, parts.extraBody, request.extra_body);
  if (habits.maxCompletionTokens && body.max_tokens !== undefined) {
    body.max_completion_tokens ??= body.max_tokens;
    delete body.max_tokens;
  }
  return body;
}

/** The sampling parameters that are set; `n` only where more than one choice is wanted. */
export function samplingFields(params: SamplingParams): Record<string, unknown> {
  const fields: Record<string, unknown> = {};
  for (const name of ["temperature", "top_p", "top_k", "min_p", "max_tokens", "stop", "seed"] as const) {
    if (params[name] !== undefined && params[name] !== null) fields[name] = params[name];
  }
  if (params.n !== undefined && params.n > 1) fields.n = params.n;
  return fields;
}

function wireMessage(message: ChatMessage, habits: WireHabits): ChatMessage {
  const calls = message.tool_calls;
  const dropsReasoning =
    habits.refusesReasoning && (message.reasoning_content !== undefined || message.reasoning_details !== undefined);
  const callsAreFine = calls === undefined || (calls.length > 0 && calls.every(isStrict));
  const contentIsFine = message.content !== null || (calls !== undefined && calls.length > 0);
  if (!dropsReasoning && callsAreFine && contentIsFine) return message;

  const { tool_calls: _calls, ...copy } = message;
  if (dropsReasoning) {
    delete copy.reasoning_content;
    delete copy.reasoning_details;
  }
  if (calls === undefined || calls.length === 0) return { ...copy, content: copy.content ?? "" };
  return { ...copy, tool_calls: calls.map((call) => (isStrict(call) ? call : strictCall(call))) };
}

function isStrict(call: ToolCall): boolean {
  return typeof call.function.arguments === "string" && STRICT_NAME.test(call.function.name);
}

function strictCall(call: ToolCall): ToolCall {
  const { name, arguments: args } = call.function;
  const strictName = name.replace(/[^a-zA-Z0-9_-]/g, "_").slice(0, 64) || "unknown";
  return { ...call, function: { name: strictName, arguments: typeof args === "string" ? args : JSON.stringify(args) } };
}
