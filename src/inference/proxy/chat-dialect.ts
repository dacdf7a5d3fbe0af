/** OpenAI chat completions: `POST /{uuid}/v1/chat/completions`. */
import { type ChatMessage, isObject, type ToolCall, type ToolSchema } from "../../core/index.ts";
import type { ChatChoice, ChatRequest } from "../contract.ts";
import { type Body, flag, refuse, samplingOf } from "../embedded/http/body.ts";
import { chatConstraints } from "./constraints.ts";
import { assistantContent, contentOf } from "./content.ts";
import { type Dialect, pieces, type WireEvent } from "./dialect.ts";
import type { WireAnswer } from "./proxy-session.ts";
import { openaiError } from "./wire-errors.ts";

export const chatDialect: Dialect = {
  read(body) {
    return { request: chatRequest(body), stream: flag(body, "stream"), body };
  },

  whole({ completion, created }) {
    const { id, model, choices } = completion;
    return {
      id,
      object: "chat.completion",
      created,
      model,
      choices: choices.map(({ index, message, finish_reason }) => {
        return { index, message: { ...message, refusal: null }, logprobs: null, finish_reason };
      }),
      usage: usageOf(completion),
    };
  },

  *events({ completion, created }, { body }): Iterable<WireEvent> {
    const { id, model, choices } = completion;
    const options = isObject(body.stream_options) ? body.stream_options : {};
    const withUsage = options.include_usage === true;
    const head = { id, object: "chat.completion.chunk", created, model };
    const chunk = (index: number, delta: Body, finish_reason: string | null = null): WireEvent => {
      const choice = { index, delta, logprobs: null, finish_reason };
      return { data: { ...head, choices: [choice], ...(withUsage && { usage: null }) } };
    };
    for (const choice of choices) yield* deltas(choice, chunk);
    if (withUsage) yield { data: { ...head, choices: [], usage: usageOf(completion) } };
    yield { data: "[DONE]" };
  },

  ping: null,
  error: openaiError,
  errorEvent: (problem) => ({ data: openaiError(problem) as Body }),
};

function* deltas(
  { index, message, finish_reason }: ChatChoice,
  chunk: (index: number, delta: Body, finish?: string | null) => WireEvent,
): Iterable<WireEvent> {
  yield chunk(index, { role: "assistant", content: "" });
  for (const text of pieces(message.reasoning_content ?? "")) yield chunk(index, { reasoning_content: text });
  for (const text of pieces(typeof message.content === "string" ? message.content : "")) {
    yield chunk(index, { content: text });
  }
  for (const [at, call] of (message.tool_calls ?? []).entries()) {
    const { name, arguments: text } = call.function;
    yield chunk(index, {
      tool_calls: [{ index: at, id: call.id, type: "function", function: { name, arguments: "" } }],
    });
    for (const piece of pieces(text)) {
      yield chunk(index, { tool_calls: [{ index: at, function: { arguments: piece } }] });
    }
  }
  yield chunk(index, {}, finish_reason);
}

export function chatRequest(body: Body): ChatRequest {
  if (!Array.isArray(body.messages) || body.messages.length === 0) throw refuse("messages", "a list of messages");
  const { stop_token_ids: _ids, ignore_eos: _eos, ...sampling } = samplingOf(body, null);
  const tools = chatTools(body.tools);
  return {
    ...checkedSampling(sampling),
    messages: body.messages.map((message: unknown, at) => chatMessage(message, `messages.${at}`)),
    ...(tools.length > 0 && { tools }),
    ...chatConstraints(body),
  };
}

/** Refuses numbers that no server takes, and fills in the temperature. */
export function checkedSampling(sampling: ReturnType<typeof samplingOf>) {
  const { max_tokens, n = 1, temperature = 1, stop = [], ...rest } = sampling;
  if (max_tokens !== undefined && !(Number.isSafeInteger(max_tokens) && max_tokens >= 1))
    throw refuse("max_tokens", "a whole number of at least 1");
  if (!Number.isSafeInteger(n) || n < 1 || n > 128) throw refuse("n", "a whole number from 1 to 128");
  if (temperature < 0) throw refuse("temperature", "a number of at least 0");
  return {
    ...rest,
    ...(max_tokens !== undefined && { max_tokens }),
    n,
    temperature,
    ...(stop.length > 0 && { stop: [...stop] }),
  };
}

const ROLES: readonly unknown[] = ["system", "developer", "user", "assistant", "tool"];

function chatMessage(raw: unknown, field: string): ChatMessage {
  if (!isObject(raw) || !ROLES.includes(raw.role)) throw refuse(field, `a message with a role of ${ROLES.join(", ")}`);
  const content = contentOf(raw.content, `${field}.content`, "\n");
  if (raw.role === "assistant") {
    const calls = toolCalls(raw.tool_calls, `${field}.tool_calls`);
    const reasoning = raw.reasoning_content ?? raw.reasoning;
    return {
      role: "assistant",
      content: assistantContent(content, calls.length > 0),
      ...(calls.length > 0 && { tool_calls: calls }),
      ...(typeof reasoning === "string" && reasoning !== "" && { reasoning_content: reasoning }),
      ...(Array.isArray(raw.reasoning_details) && { reasoning_details: raw.reasoning_details }),
    };
  }
  if (raw.role === "tool" && typeof raw.tool_call_id !== "string") throw refuse(`${field}.tool_call_id`, "a string");
  return {
    role: raw.role as ChatMessage["role"],
    content,
    ...(typeof raw.tool_call_id === "string" && { tool_call_id: raw.tool_call_id }),
    ...(typeof raw.name === "string" && { name: raw.name }),
  };
}

function toolCalls(raw: unknown, field: string): ToolCall[] {
  if (raw === undefined || raw === null) return [];
  if (!Array.isArray(raw)) throw refuse(field, "a list of calls");
  return raw.map((call: unknown, at) => {
    const named = isObject(call) && isObject(call.function) ? call.function : {};
    if (!isObject(call) || typeof call.id !== "string" || typeof named.name !== "string") {
      throw refuse(`${field}.${at}`, "a call with an id and a function with a name");
    }
    const text = typeof named.arguments === "string" ? named.arguments : JSON.stringify(named.arguments ?? {});
    return { id: call.id, type: "function", function: { name: named.name, arguments: text } };
  });
}

function chatTools(raw: unknown): ToolSchema[] {
  if (raw === undefined || raw === null) return [];
  if (!Array.isArray(raw)) throw refuse("tools", "a list of tools");
  return raw.map((tool: unknown, at) => {
    if (!isObject(tool) || !isObject(tool.function) || typeof tool.function.name !== "string") {
      throw refuse(`tools.${at}`, 'a tool of the form {"type": "function", "function": {name, …}}');
    }
    return toolSchema(tool.function, `tools.${at}.function`);
  });
}

/** A function tool from its fields; `parameters` may be missing. */
export function toolSchema(raw: Body, field: string): ToolSchema {
  const { name, description = "", parameters = { type: "object", properties: {} }, strict } = raw;
  if (typeof name !== "string" || name === "") throw refuse(`${field}.name`, "a string");
  if (parameters !== null && !isObject(parameters)) throw refuse(`${field}.parameters`, "a JSON schema");
  return {
    type: "function",
    function: {
      name,
      description: typeof description === "string" ? description : "",
      parameters: parameters ?? { type: "object", properties: {} },
      ...(typeof strict === "boolean" && { strict }),
    },
  };
}

function usageOf({ usage }: WireAnswer["completion"]): Body {
  const { prompt_tokens, completion_tokens, total_tokens, cached_tokens } = usage;
  return {
    prompt_tokens,
    completion_tokens,
    total_tokens,
    prompt_tokens_details: { cached_tokens },
    completion_tokens_details: { reasoning_tokens: 0 },
  };
}
