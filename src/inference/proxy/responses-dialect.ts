/** OpenAI Responses: `POST /{uuid}/v1/responses`. Items have ids that follow from their answer, so a repeated answer is the same. */
import type { ChatMessage } from "../../core/index.ts";
import { type Body, flag, refuse, samplingOf } from "../embedded/http/body.ts";
import { inputOf } from "./call-ids.ts";
import { checkedSampling } from "./chat-dialect.ts";
import { responsesConstraints } from "./constraints.ts";
import { type Asked, type Dialect, pieces, type WireEvent } from "./dialect.ts";
import type { ProxySession, WireAnswer } from "./proxy-session.ts";
import { responsesMessages, responsesTools } from "./responses-input.ts";
import { openaiError, refusal } from "./wire-errors.ts";

/** Answers of a session that `previous_response_id` can name. */
const KEPT = 512;

export const responsesDialect: Dialect = {
  read(body, session) {
    if (flag(body, "background")) throw refuse("background", "false");
    const {
      stop_token_ids: _ids,
      ignore_eos: _eos,
      n: _n,
      ...sampling
    } = samplingOf({ ...body, max_tokens: body.max_output_tokens }, null);
    const { tools } = responsesTools(body.tools);
    const messages = conversationOf(body, session);
    const { instructions } = body;
    if (instructions != null && typeof instructions !== "string") throw refuse("instructions", "a string");
    const opening: ChatMessage[] = instructions ? [{ role: "system", content: instructions }] : [];
    return {
      request: {
        ...checkedSampling(sampling),
        messages: [...opening, ...messages],
        ...(tools.length > 0 && { tools }),
        ...responsesConstraints(body),
      },
      stream: flag(body, "stream"),
      body,
    };
  },

  whole(answer, asked, session) {
    remember(answer, asked, session);
    const { output, status, incomplete_details } = outputOf(answer, asked);
    return { ...skeleton(answer, asked), status, incomplete_details, output, usage: usageOf(answer) };
  },

  *events(answer, asked, session): Iterable<WireEvent> {
    remember(answer, asked, session);
    let sequence_number = 0;
    const event = (type: string, fields: Body): WireEvent => {
      return { event: type, data: { type, sequence_number: sequence_number++, ...fields } };
    };
    const begun = { ...skeleton(answer, asked), status: "in_progress", output: [], usage: null };
    yield event("response.created", { response: begun });
    yield event("response.in_progress", { response: begun });
    const { output, status, incomplete_details } = outputOf(answer, asked);
    for (const [output_index, item] of output.entries()) yield* itemEvents(item, output_index, event);
    const response = { ...skeleton(answer, asked), status, incomplete_details, output, usage: usageOf(answer) };
    yield event(`response.${status}`, { response });
  },

  ping: null,
  error: openaiError,
  errorEvent: ({ message, code }) => {
    return { event: "error", data: { type: "error", sequence_number: 0, code, message, param: null } };
  },
};

type NewEvent = (type: string, fields: Body) => WireEvent;

function* itemEvents(item: Body, output_index: number, event: NewEvent): Iterable<WireEvent> {
  const at = { item_id: item.id, output_index };
  const started = { ...item, status: "in_progress" };
  if (item.type === "message" || item.type === "reasoning") {
    const kind = item.type === "message" ? "output_text" : "reasoning_text";
    yield event("response.output_item.added", { output_index, item: { ...started, content: [] } });
    for (const [content_index, part] of (item.content as Body[]).entries()) {
      const place = { ...at, content_index };
      yield event("response.content_part.added", { ...place, part: { ...part, text: "" } });
      for (const delta of pieces(String(part.text))) {
        yield event(`response.${kind}.delta`, { ...place, delta, ...(kind === "output_text" && { logprobs: [] }) });
      }
      yield event(`response.${kind}.done`, {
        ...place,
        text: part.text,
        ...(kind === "output_text" && { logprobs: [] }),
      });
      yield event("response.content_part.done", { ...place, part });
    }
  } else {
    const custom = item.type === "custom_tool_call";
    const field = custom ? "input" : "arguments";
    const kind = custom ? "custom_tool_call_input" : "function_call_arguments";
    yield event("response.output_item.added", { output_index, item: { ...started, [field]: "" } });
    for (const delta of pieces(String(item[field]))) yield event(`response.${kind}.delta`, { ...at, delta });
    yield event(`response.${kind}.done`, { ...at, [field]: item[field], ...(!custom && { name: item.name }) });
  }
  yield event("response.output_item.done", { output_index, item });
}

function conversationOf(body: Body, session: ProxySession): ChatMessage[] {
  const messages = responsesMessages(body.input, session.ids);
  const previous = body.previous_response_id;
  if (previous === undefined || previous === null) return messages;
  const before = typeof previous === "string" ? session.responses.get(previous) : undefined;
  if (before === undefined) {
    throw refusal(
      400,
      "previous_response_not_found",
      `previous_response_id: this session has no response ${JSON.stringify(previous)}.`,
    );
  }
  return [...before, ...messages];
}

/** Keeps the conversation for a request that continues it by its id. Instructions are not carried over. */
function remember({ completion }: WireAnswer, { request, body }: Asked, { responses }: ProxySession): void {
  const id = responseId(completion.id);
  if (body.store === false || responses.has(id)) return;
  const answer = completion.choices[0]?.message;
  responses.set(id, [...request.messages.slice(body.instructions ? 1 : 0), ...(answer ? [answer] : [])]);
  const oldest = responses.keys().next().value;
  if (responses.size > KEPT && oldest !== undefined) responses.delete(oldest);
}

function outputOf({ completion }: WireAnswer, { body }: Asked) {
  const choice = completion.choices[0];
  const base = bare(completion.id);
  const cut = choice?.finish_reason === "length" || choice?.finish_reason === "content_filter";
  const status = cut ? "incomplete" : "completed";
  const output: Body[] = [];
  const { reasoning_content: reasoning, content, tool_calls: calls = [] } = choice?.message ?? { content: "" };
  if (reasoning) {
    output.push({
      id: `rs_${base}`,
      type: "reasoning",
      summary: [],
      content: [{ type: "reasoning_text", text: reasoning }],
      encrypted_content: null,
      status,
    });
  }
  const text = typeof content === "string" ? content : "";
  if (text !== "" || calls.length === 0) {
    const part = { type: "output_text", text, annotations: [], logprobs: [] };
    output.push({ id: `msg_${base}`, type: "message", role: "assistant", status, content: [part] });
  }
  const { custom } = responsesTools(body.tools);
  for (const [at, call] of calls.entries()) {
    const { name, arguments: args } = call.function;
    const shared = { id: `fc_${base}_${at}`, call_id: call.id, name, status: "completed" };
    if (custom.has(name)) {
      const { input } = inputOf(call);
      output.push({ ...shared, type: "custom_tool_call", input: typeof input === "string" ? input : args });
    } else output.push({ ...shared, type: "function_call", arguments: args });
  }
  const reason = choice?.finish_reason === "content_filter" ? "content_filter" : "max_output_tokens";
  return { output, status, incomplete_details: cut ? { reason } : null };
}

function skeleton({ completion, created }: WireAnswer, { body, request }: Asked): Body {
  return {
    id: responseId(completion.id),
    object: "response",
    created_at: created,
    error: null,
    incomplete_details: null,
    instructions: body.instructions ?? null,
    max_output_tokens: body.max_output_tokens ?? null,
    metadata: body.metadata ?? {},
    model: completion.model,
    parallel_tool_calls: body.parallel_tool_calls ?? true,
    previous_response_id: body.previous_response_id ?? null,
    reasoning: body.reasoning ?? { effort: null, summary: null },
    store: body.store ?? true,
    temperature: request.temperature ?? 1,
    text: body.text ?? { format: { type: "text" } },
    tool_choice: body.tool_choice ?? "auto",
    tools: body.tools ?? [],
    top_p: request.top_p ?? 1,
    truncation: body.truncation ?? "disabled",
    user: null,
  };
}

function usageOf({ completion: { usage } }: WireAnswer): Body {
  return {
    input_tokens: usage.prompt_tokens,
    input_tokens_details: { cached_tokens: usage.cached_tokens },
    output_tokens: usage.completion_tokens,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: usage.total_tokens,
  };
}

const bare = (id: string): string => id.replace(/^chatcmpl-/, "").replaceAll("-", "");
const responseId = (id: string): string => `resp_${bare(id)}`;
