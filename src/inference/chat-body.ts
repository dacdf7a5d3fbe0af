/**
 * The body of a chat request. Nothing is sent that a strict API refuses: arguments are the text of a JSON object, names
 * of functions have the allowed letters, there is no empty `tool_calls` and no null content without calls. Arguments
 * that are no object go out as `{}`: the tool message after them says what was wrong, and the history keeps what the
 * model wrote. Messages that are already right, which is nearly all, are not copied; the history is never changed.
 */
import { type ChatMessage, isObject, type ToolCall } from "../core/index.ts";
import type { ChatRequest, SamplingParams } from "./contract.ts";
import type { WireHabits } from "./wire-habits.ts";

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
    ...samplingFields(request, habits),
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

/** The sampling parameters that are set and taken; `n` only where more than one choice is wanted. */
export function samplingFields(params: SamplingParams, habits?: WireHabits): Record<string, unknown> {
  const fields: Record<string, unknown> = {};
  for (const name of ["temperature", "top_p", "top_k", "min_p", "max_tokens", "stop", "seed"] as const) {
    if (params[name] !== undefined && params[name] !== null) fields[name] = params[name];
  }
  if (params.n !== undefined && params.n > 1) fields.n = params.n;
  if (habits?.refusesSeed) delete fields.seed;
  if (habits?.refusesTemperature) delete fields.temperature;
  if (habits?.refusesN) delete fields.n;
  return fields;
}

function wireMessage(message: ChatMessage, habits: WireHabits): ChatMessage {
  const calls = message.tool_calls;
  const dropsReasoning =
    habits.refusesReasoning && (message.reasoning_content !== undefined || message.reasoning_details !== undefined);
  const callsAreFine = calls === undefined || (calls.length > 0 && calls.every((call) => strictCall(call) === call));
  const hasCalls = calls !== undefined && calls.length > 0;
  const content = hasCalls ? contentBesideCalls(message.content, habits) : (message.content ?? "");
  const contentIsFine = content === message.content;
  const dropsName = habits.refusesToolNames && message.role === "tool";
  const nameIsFine = message.name === undefined || (STRICT_NAME.test(message.name) && !dropsName);
  if (!dropsReasoning && callsAreFine && contentIsFine && nameIsFine) return message;

  const { tool_calls: _calls, ...copy } = { ...message, content };
  if (dropsReasoning) {
    delete copy.reasoning_content;
    delete copy.reasoning_details;
  }
  if (dropsName) delete copy.name;
  else if (copy.name !== undefined) copy.name = strictName(copy.name);
  return hasCalls ? { ...copy, tool_calls: calls.map(strictCall) } : copy;
}

function contentBesideCalls(content: ChatMessage["content"], { emptyContent }: WireHabits): ChatMessage["content"] {
  if (content === null && emptyContent === "text") return "";
  return content === "" && emptyContent === "null" ? null : content;
}

/**
 * What goes out for a call, by the call itself: a history is sent again with each turn, and its arguments can be long.
 * `from` guards against calls that were changed meanwhile.
 */
const sentAs = new WeakMap<ToolCall, { from: ToolCall["function"]; call: ToolCall }>();

/** The call itself where a strict API takes it, else a copy that it takes. */
function strictCall(call: ToolCall): ToolCall {
  const { name, arguments: args } = call.function;
  const known = sentAs.get(call);
  if (known && known.from.name === name && known.from.arguments === args) return known.call;
  const wanted = { name: strictName(name), arguments: argumentsObject(args) };
  const same = wanted.name === name && wanted.arguments === args;
  const strict = same ? call : { ...call, function: wanted };
  sentAs.set(call, { from: { name, arguments: args }, call: strict });
  return strict;
}

function strictName(name: string): string {
  return STRICT_NAME.test(name) ? name : name.replace(/[^a-zA-Z0-9_-]/g, "_").slice(0, 64) || "unknown";
}

/** The given text if it is that of a JSON object, the text of a given object, else the empty object. */
function argumentsObject(args: unknown): string {
  if (isObject(args)) return JSON.stringify(args);
  if (typeof args !== "string") return "{}";
  try {
    return isObject(JSON.parse(args)) ? args : "{}";
  } catch {
    return "{}"; // whatever is wrong with it, the tool's answer has told the model
  }
}
