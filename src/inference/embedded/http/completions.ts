/** `POST /v1/completions`: a text or token ids in, text out, streamed or whole. */
import { randomUUID } from "node:crypto";
import type { FastifyReply } from "fastify";
import type { EmbeddedCompletion, EmbeddedServer } from "../embedded-server.ts";
import { type Body, count, flag, isTokenList, refuse, samplingOf } from "./body.ts";
import { EventStream } from "./event-stream.ts";

/** OpenAI's own default. */
const MAX_TOKENS = 16;

export async function completions(
  server: EmbeddedServer,
  body: Body,
  reply: FastifyReply,
  signal: AbortSignal,
): Promise<Body | undefined> {
  const tokens = promptTokens(server, body.prompt);
  const top = count(body, "logprobs");
  const request = { ...samplingOf(body, MAX_TOKENS), prompt_token_ids: tokens, top_logprobs: top ?? 0, signal };
  const head = {
    id: `cmpl-${randomUUID()}`,
    object: "text_completion",
    created: Math.floor(Date.now() / 1000),
    model: server.name,
    weight_version: server.weightVersion,
  };
  if (!flag(body, "stream")) {
    const { completions: answers, usage } = await server.generate(request);
    const choices = answers.map((answer, index) => ({
      index,
      text: answer.text,
      finish_reason: answer.finish_reason,
      logprobs: top === null ? null : textLogprobs(server, answer),
      ...(flag(body, "return_token_ids") && { token_ids: answer.tokens, prompt_token_ids: tokens }),
    }));
    return { ...head, choices, usage };
  }
  const stream = new EventStream(reply);
  try {
    const { completions: answers } = await server.generate(request, ({ index, text }) => {
      if (text !== "") stream.send({ ...head, choices: [{ index, text, finish_reason: null, logprobs: null }] });
    });
    for (const [index, { finish_reason }] of answers.entries()) {
      stream.send({ ...head, choices: [{ index, text: "", finish_reason, logprobs: null }] });
    }
    stream.end();
  } catch (error) {
    stream.fail(error);
  }
  return undefined;
}

function promptTokens(server: EmbeddedServer, prompt: unknown): number[] {
  const one = Array.isArray(prompt) && prompt.length === 1 && typeof prompt[0] !== "number" ? prompt[0] : prompt;
  if (typeof one === "string") return server.tokenizer.encode(one, { addSpecialTokens: false });
  if (isTokenList(one)) return one;
  throw refuse("prompt", "one text or one list of token ids");
}

/** The form of the older completions API. */
function textLogprobs(server: EmbeddedServer, { tokens, logprobs, top }: EmbeddedCompletion): Body {
  const text = (id: number) => server.tokenizer.decode([id], { skipSpecialTokens: false });
  let offset = 0;
  const offsets = tokens.map((id) => {
    const at = offset;
    offset += text(id).length;
    return at;
  });
  return {
    tokens: tokens.map(text),
    token_logprobs: logprobs,
    top_logprobs: top.map(({ ids, logprobs: likely }) =>
      Object.fromEntries(ids.map((id, at) => [text(id), likely[at]!])),
    ),
    text_offset: offsets,
  };
}
