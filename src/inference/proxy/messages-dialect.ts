/** Anthropic Messages: `POST /{uuid}/v1/messages`, and its token counts. */
import { createHash } from "node:crypto";
import { type ChatMessage, isObject, type ToolCall, type ToolSchema } from "../../core/index.ts";
import type { ChatRequest } from "../contract.ts";
import { type Body, flag, refuse, samplingOf } from "../embedded/http/body.ts";
import { type CallIds, inputOf } from "./call-ids.ts";
import { checkedSampling, toolSchema } from "./chat-dialect.ts";
import { messagesConstraints } from "./constraints.ts";
import { assistantContent, contentOf } from "./content.ts";
import { type Asked, type Dialect, pieces, type WireEvent } from "./dialect.ts";
import type { WireAnswer } from "./proxy-session.ts";
import { anthropicError } from "./wire-errors.ts";

export const messagesDialect: Dialect = {
  read(body, { ids }) {
    const {
      stop_token_ids: _ids,
      ignore_eos: _eos,
      n: _n,
      ...sampling
    } = samplingOf({ ...body, stop: body.stop_sequences }, null);
    return {
      request: { ...checkedSampling(sampling), ...conversation(body, ids), ...messagesConstraints(body) },
      stream: flag(body, "stream"),
      body,
    };
  },

  whole(answer, asked) {
    return { ...skeleton(answer), content: blocks(answer, asked), ...ending(answer), usage: usageOf(answer) };
  },

  *events(answer, asked): Iterable<WireEvent> {
    const event = (type: string, fields: Body): WireEvent => ({ event: type, data: { type, ...fields } });
    const start = { ...skeleton(answer), content: [], stop_reason: null, stop_sequence: null };
    yield event("message_start", { message: { ...start, usage: { ...usageOf(answer), output_tokens: 0 } } });
    for (const [index, block] of blocks(answer, asked).entries()) {
      const [empty, ...deltas] = blockParts(block);
      yield event("content_block_start", { index, content_block: empty });
      for (const delta of deltas) yield event("content_block_delta", { index, delta });
      yield event("content_block_stop", { index });
    }
    const { stop_reason, stop_sequence } = ending(answer);
    yield event("message_delta", { delta: { stop_reason, stop_sequence }, usage: usageOf(answer) });
    yield event("message_stop", {});
  },

  ping: { event: "ping", data: { type: "ping" } },
  error: anthropicError,
  errorEvent: (problem) => ({ event: "error", data: anthropicError(problem) as Body }),
};

/** Messages and tools of a request; also what `count_tokens` counts. */
export function conversation(body: Body, ids: CallIds): Pick<ChatRequest, "messages" | "tools"> {
  if (!Array.isArray(body.messages) || body.messages.length === 0) throw refuse("messages", "a list of messages");
  const system = systemOf(body.system);
  const messages = body.messages.flatMap((message: unknown, at) => messagesOf(message, `messages.${at}`, ids));
  const tools = toolsOf(body.tools);
  const opening: ChatMessage[] = system === "" ? [] : [{ role: "system", content: system }];
  return { messages: [...opening, ...messages], ...(tools.length > 0 && { tools }) };
}

/** Lines that clients add for the provider's accounts; they change from call to call and mean nothing to a model. */
const BILLING = /^x-anthropic-billing-header:/i;

function systemOf(raw: unknown): string {
  const parts = Array.isArray(raw)
    ? raw.filter((part: unknown) => !(isObject(part) && BILLING.test(String(part.text))))
    : raw;
  const content = contentOf(parts, "system", "\n\n");
  if (typeof content !== "string") throw refuse("system", "text");
  return content;
}

function messagesOf(raw: unknown, field: string, ids: CallIds): ChatMessage[] {
  if (!isObject(raw) || (raw.role !== "user" && raw.role !== "assistant" && raw.role !== "system")) {
    throw refuse(`${field}.role`, "user or assistant");
  }
  const { role, content } = raw;
  if (typeof content === "string") return [{ role, content }];
  if (!Array.isArray(content) || !content.every(isObject))
    throw refuse(`${field}.content`, "a string or a list of blocks");
  return role === "assistant" ? [answerOf(content, field, ids)] : resultsOf(content, role, field);
}

/** Results of tools come first, each a message; then what the user says. */
function resultsOf(content: Body[], role: "user" | "system", field: string): ChatMessage[] {
  const messages: ChatMessage[] = [];
  const said: Body[] = [];
  for (const [at, block] of content.entries()) {
    if (block.type !== "tool_result") said.push(block);
    else {
      const id = block.tool_use_id;
      if (typeof id !== "string") throw refuse(`${field}.content.${at}.tool_use_id`, "a string");
      messages.push({
        role: "tool",
        tool_call_id: id,
        content: contentOf(block.content, `${field}.content.${at}.content`, "\n"),
      });
    }
  }
  if (said.length > 0) messages.push({ role, content: contentOf(said, `${field}.content`, "\n\n") });
  return messages;
}

function answerOf(content: Body[], field: string, ids: CallIds): ChatMessage {
  const of = (...types: string[]) => content.filter(({ type }) => types.includes(String(type)));
  const calls = of("tool_use").map((block): ToolCall => {
    const { id, name, input } = block;
    if (typeof id !== "string" || typeof name !== "string")
      throw refuse(`${field}.content`, "tool_use blocks with id and name");
    return { id, type: "function", function: { name, arguments: ids.argumentsOf(id, input) } };
  });
  const reasoning = of("thinking")
    .map(({ thinking }) => (typeof thinking === "string" ? thinking : ""))
    .join("");
  const text = contentOf(of("text"), `${field}.content`, "");
  return {
    role: "assistant",
    content: assistantContent(text, calls.length > 0),
    ...(calls.length > 0 && { tool_calls: calls }),
    ...(reasoning !== "" && { reasoning_content: reasoning }),
  };
}

/** The tools that the client runs and describes. Tools that only the provider knows do not exist here and are left out. */
function toolsOf(raw: unknown): ToolSchema[] {
  if (raw === undefined || raw === null) return [];
  if (!Array.isArray(raw) || !raw.every(isObject)) throw refuse("tools", "a list of tools");
  return raw.flatMap((tool: Body, at) => {
    const { name, description, input_schema } = tool;
    return input_schema === undefined
      ? []
      : [toolSchema({ name, description, parameters: input_schema }, `tools.${at}`)];
  });
}

/** Thinking is shown to those who asked for it; others expect the text first. */
function blocks({ completion }: WireAnswer, { body }: Asked): Body[] {
  const message = completion.choices[0]?.message;
  const result: Body[] = [];
  const wantsThinking = isObject(body.thinking) && body.thinking.type !== "disabled";
  const thinking = message?.reasoning_content;
  if (wantsThinking && thinking) {
    const signature = createHash("sha256").update(thinking).digest("base64");
    result.push({ type: "thinking", thinking, signature });
  }
  const calls = message?.tool_calls ?? [];
  const text = typeof message?.content === "string" ? message.content : "";
  if (text !== "") result.push({ type: "text", text });
  for (const call of calls) {
    result.push({ type: "tool_use", id: call.id, name: call.function.name, input: inputOf(call) });
  }
  return result;
}

/** The block as it starts, and what is added to it. */
function* blockParts(block: Body): Iterable<Body> {
  if (block.type === "tool_use") {
    yield { ...block, input: {} };
    for (const partial_json of pieces(JSON.stringify(block.input))) yield { type: "input_json_delta", partial_json };
  } else if (block.type === "thinking") {
    yield { type: "thinking", thinking: "", signature: "" };
    for (const thinking of pieces(String(block.thinking))) yield { type: "thinking_delta", thinking };
    yield { type: "signature_delta", signature: block.signature };
  } else {
    yield { type: "text", text: "" };
    for (const text of pieces(String(block.text))) yield { type: "text_delta", text };
  }
}

function ending({ completion }: WireAnswer): { stop_reason: string; stop_sequence: string | null } {
  const choice = completion.choices[0];
  const matched = choice?.matched_stop ?? null;
  if (choice?.finish_reason === "length") return { stop_reason: "max_tokens", stop_sequence: null };
  if (choice?.finish_reason === "content_filter") return { stop_reason: "refusal", stop_sequence: null };
  if (choice?.message.tool_calls?.length) return { stop_reason: "tool_use", stop_sequence: null };
  return matched === null
    ? { stop_reason: "end_turn", stop_sequence: null }
    : { stop_reason: "stop_sequence", stop_sequence: matched };
}

function skeleton({ completion }: WireAnswer): Body {
  const id = `msg_${completion.id.replace(/^chatcmpl-/, "").replaceAll("-", "")}`;
  return { id, type: "message", role: "assistant", model: completion.model };
}

function usageOf({ completion: { usage } }: WireAnswer): Body {
  return {
    input_tokens: usage.prompt_tokens - usage.cached_tokens,
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: usage.cached_tokens,
    output_tokens: usage.completion_tokens,
  };
}
