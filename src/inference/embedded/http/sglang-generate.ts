/** `POST /generate` as SGLang speaks it: `input_ids` or `text` with `sampling_params`, one prompt or a list of them. */
import { randomUUID } from "node:crypto";
import { isObject } from "../../../core/index.ts";
import type { EmbeddedCompletion, EmbeddedPromptLogprobs, EmbeddedServer } from "../embedded-server.ts";
import { type Body, count, flag, isTokenList, refuse, samplingOf } from "./body.ts";

/** SGLang's own default. */
const MAX_NEW_TOKENS = 128;

export async function sglangGenerate(server: EmbeddedServer, body: Body, signal: AbortSignal): Promise<Body | Body[]> {
  const { prompts, single } = promptsOf(server, body);
  const params = body.sampling_params ?? {};
  if (!isObject(params)) throw refuse("sampling_params", "an object");
  const answers = await Promise.all(prompts.map((tokens) => onePrompt(server, tokens, params, body, signal)));
  return single && answers[0]!.length === 1 ? answers[0]![0]! : answers.flat();
}

async function onePrompt(
  server: EmbeddedServer,
  tokens: number[],
  params: Body,
  body: Body,
  signal: AbortSignal,
): Promise<Body[]> {
  const withLogprobs = flag(body, "return_logprob");
  const top = count(body, "top_logprobs_num") ?? 0;
  // SGLang's −1: log-probabilities of the answer only.
  const from = body.logprob_start_len === -1 ? null : count(body, "logprob_start_len");
  const [result, scored] = await Promise.all([
    server.generate({ ...samplingOf(params, MAX_NEW_TOKENS), prompt_token_ids: tokens, top_logprobs: top, signal }),
    withLogprobs && from !== null ? server.promptLogprobs(tokens, top, signal) : null,
  ]);
  return result.completions.map((completion) => ({
    text: completion.text,
    output_ids: completion.tokens,
    meta_info: {
      id: randomUUID(),
      finish_reason: finishReason(completion),
      prompt_tokens: tokens.length,
      completion_tokens: completion.tokens.length,
      cached_tokens: result.usage.cached_tokens,
      weight_version: completion.weight_version,
      ...(withLogprobs && answerLogprobs(server, completion, body)),
      ...(scored && promptLogprobs(server, scored, from!, body)),
    },
  }));
}

function answerLogprobs(server: EmbeddedServer, completion: EmbeddedCompletion, body: Body): Body {
  const { tokens, logprobs, tempered_logprobs: tempered, top } = completion;
  const entry = entryWriter(server, body);
  return {
    output_token_logprobs: tokens.map((id, at) => entry(logprobs[at]!, id)),
    ...(top.length > 0 && {
      output_top_logprobs: top.map(({ ids, logprobs: likely }) => ids.map((id, at) => entry(likely[at]!, id))),
    }),
    ...(tempered && { output_token_tempered_logprobs: tempered }),
  };
}

function promptLogprobs(server: EmbeddedServer, scored: EmbeddedPromptLogprobs, from: number, body: Body): Body {
  const entry = entryWriter(server, body);
  const { prompt_tokens: tokens, prompt_logprobs: logprobs, prompt_topk_token_ids: ids } = scored;
  return {
    input_token_logprobs: tokens.slice(from).map((id, at) => entry(logprobs[from + at]!, id)),
    ...(count(body, "top_logprobs_num") && {
      input_top_logprobs: ids
        .slice(from)
        .map((row, at) => row.map((id, k) => entry(scored.prompt_topk_logprobs[from + at]![k]!, id))),
    }),
  };
}

/** `[logprob, id, text or null]` */
function entryWriter(server: EmbeddedServer, body: Body): (logprob: number | null, id: number) => unknown[] {
  const withText = flag(body, "return_text_in_logprobs");
  return (logprob, id) => [logprob, id, withText ? server.tokenizer.decode([id], { skipSpecialTokens: false }) : null];
}

function finishReason({ finish_reason: reason, matched, tokens }: EmbeddedCompletion): Body {
  return reason === "stop" ? { type: "stop", matched } : { type: "length", length: tokens.length };
}

function promptsOf(server: EmbeddedServer, body: Body): { prompts: number[][]; single: boolean } {
  const { input_ids: ids, text } = body;
  if ((ids == null) === (text == null)) throw refuse("input_ids, text", "exactly one of them");
  const encode = (value: string) => server.tokenizer.encode(value, { addSpecialTokens: false });
  if (typeof text === "string") return { prompts: [encode(text)], single: true };
  if (Array.isArray(text) && text.length > 0 && text.every((value) => typeof value === "string")) {
    return { prompts: text.map(encode), single: false };
  }
  if (text != null) throw refuse("text", "a text or a list of texts");
  if (isTokenList(ids)) return { prompts: [ids], single: true };
  if (Array.isArray(ids) && ids.length > 0 && ids.every(isTokenList)) return { prompts: ids, single: false };
  throw refuse("input_ids", "a list of ids or a list of such lists");
}
