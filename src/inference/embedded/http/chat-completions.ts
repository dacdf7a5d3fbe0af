/**
 * `POST /v1/chat/completions`: the model's own template and tool calls, streamed or whole. A streamed answer is the
 * whole one in parts: text as it comes until a call begins, then the calls, parsed, in one piece.
 */
import { randomUUID } from "node:crypto";
import type { FastifyReply } from "fastify";
import type { ChatMessage, ToolSchema } from "../../../core/index.ts";
import type { ChatRequest } from "../../contract.ts";
import type { EmbeddedServer } from "../embedded-server.ts";
import type { Answer } from "../model.ts";
import { type Body, count, flag, refuse, samplingOf } from "./body.ts";
import { EventStream } from "./event-stream.ts";

const CALL = "<tool_call>";

export async function chatCompletions(
  server: EmbeddedServer,
  body: Body,
  reply: FastifyReply,
  signal: AbortSignal,
): Promise<Body | undefined> {
  const request = chatRequest(body, signal);
  const head = {
    id: `chatcmpl-${randomUUID()}`,
    created: Math.floor(Date.now() / 1000),
    model: server.name,
    weight_version: server.weightVersion,
  };
  if (flag(body, "stream")) {
    await streamed(server, request, { ...head, object: "chat.completion.chunk" }, body, reply);
    return undefined;
  }
  const { choices, usage, answers } = await server.chatCompletion(request);
  const whole = choices.map((choice, index) => ({
    ...choice,
    logprobs: flag(body, "logprobs") ? chatLogprobs(server, answers[index]!) : null,
    ...(flag(body, "return_token_ids") && { token_ids: answers[index]!.tokens }),
  }));
  return {
    ...head,
    object: "chat.completion",
    choices: whole,
    usage: { ...usage, prompt_tokens_details: { cached_tokens: usage.cached_tokens } },
    ...(flag(body, "return_token_ids") && { prompt_token_ids: server.chatTokens(request) }),
  };
}

function chatRequest(body: Body, signal: AbortSignal): ChatRequest {
  if (!Array.isArray(body.messages) || body.messages.length === 0) throw refuse("messages", "a list of messages");
  const tools = body.tools ?? [];
  if (!Array.isArray(tools)) throw refuse("tools", "a list of tools");
  const { stop_token_ids, ignore_eos, ...sampling } = samplingOf(body, null);
  const top = flag(body, "logprobs") ? (count(body, "top_logprobs") ?? 0) : 0;
  return {
    ...sampling,
    messages: body.messages as ChatMessage[],
    tools: tools as ToolSchema[],
    ...(body.tool_choice != null && { tool_choice: body.tool_choice as NonNullable<ChatRequest["tool_choice"]> }),
    ...(body.response_format != null && { response_format: body.response_format as { type: string } }),
    extra_body: { stop_token_ids, ignore_eos, top_logprobs: top },
    signal,
  };
}

async function streamed(
  server: EmbeddedServer,
  request: ChatRequest,
  head: Body,
  body: Body,
  reply: FastifyReply,
): Promise<void> {
  const stream = new EventStream(reply);
  const parts: ContentParts[] = [];
  const send = (index: number, delta: Body, finish_reason: string | null = null) =>
    stream.send({ ...head, choices: [{ index, delta, finish_reason, logprobs: null }] });
  const offered = request.tools?.length && request.tool_choice !== "none";
  try {
    const { choices, usage } = await server.chatCompletion(request, ({ index, text }) => {
      if (!parts[index]) {
        parts[index] = new ContentParts(Boolean(offered));
        send(index, { role: "assistant", content: "" });
      }
      const content = parts[index].add(text);
      if (content !== "") send(index, { content });
    });
    for (const { index, message, finish_reason } of choices) {
      const left = parts[index]?.rest(typeof message.content === "string" ? message.content : "") ?? "";
      if (left !== "") send(index, { content: left });
      const calls = message.tool_calls?.map((call, at) => ({ index: at, ...call }));
      if (calls) send(index, { tool_calls: calls });
      send(index, {}, finish_reason);
    }
    const options = body.stream_options as { include_usage?: boolean } | null | undefined;
    if (options?.include_usage) stream.send({ ...head, choices: [], usage });
    stream.end();
  } catch (error) {
    stream.fail(error);
  }
}

/** Splits streamed text into what is surely content and what belongs to calls. */
class ContentParts {
  readonly #tools: boolean;
  #text = "";
  #sent = 0;

  constructor(tools: boolean) {
    this.#tools = tools;
  }

  /** The part of the text so far that may be sent now. White space before a possible call waits. */
  add(text: string): string {
    this.#text += text;
    const call = this.#tools ? this.#text.indexOf(CALL) : -1;
    let safe = call >= 0 ? call : this.#text.length;
    if (this.#tools && call < 0) {
      for (let length = Math.min(CALL.length - 1, safe); length > 0; length--) {
        if (this.#text.endsWith(CALL.slice(0, length))) {
          safe -= length;
          break;
        }
      }
    }
    safe = this.#text.slice(0, safe).trimEnd().length;
    const part = this.#text.slice(this.#sent, Math.max(safe, this.#sent));
    this.#sent += part.length;
    return part;
  }

  /** What the whole answer's content has beyond the parts. */
  rest(content: string): string {
    const sent = this.#text.slice(0, this.#sent);
    return content.startsWith(sent) ? content.slice(sent.length) : "";
  }
}

function chatLogprobs(server: EmbeddedServer, { tokens, logprobs, top }: Answer): Body {
  const entry = (id: number, logprob: number) => {
    const token = server.tokenizer.decode([id], { skipSpecialTokens: false });
    return { token, logprob, bytes: [...Buffer.from(token)] };
  };
  const content = tokens.map((id, at) => ({
    ...entry(id, logprobs[at]!),
    top_logprobs: (top[at]?.ids ?? []).map((other, k) => entry(other, top[at]!.logprobs[k]!)),
  }));
  return { content };
}
