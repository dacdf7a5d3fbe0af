/** `POST /generate` as the vLLM-style server of example trainers speaks it: `prompt` in, ids and log-probabilities out. */
import { isObject } from "../../../core/index.ts";
import type { EmbeddedServer } from "../embedded-server.ts";
import { type Body, count, isTokenList, refuse, samplingOf } from "./body.ts";

/** vLLM's own default. */
const MAX_TOKENS = 16;

export async function vllmGenerate(server: EmbeddedServer, body: Body, signal: AbortSignal): Promise<Body> {
  const tokens = promptTokens(server, body.prompt);
  const top = count(body, "logprobs") ?? 0;
  const promptTop = count(body, "prompt_logprobs");
  const [result, scored] = await Promise.all([
    server.generate({ ...samplingOf(body, MAX_TOKENS), prompt_token_ids: tokens, top_logprobs: top, signal }),
    promptTop === null ? null : server.promptLogprobs(tokens, promptTop, signal),
  ]);
  const { completions } = result;
  return {
    text: completions.map((completion) => completion.text),
    prompt:
      typeof body.prompt === "string" ? body.prompt : server.tokenizer.decode(tokens, { skipSpecialTokens: false }),
    finish_reasons: completions.map((completion) => completion.finish_reason),
    // [completion][position][0] = {id: logprob} with the sampled token and the likeliest
    logprobs: completions.map(({ tokens: ids, logprobs, top: likeliest }) =>
      ids.map((id, at) => [byId(id, logprobs[at]!, likeliest[at]?.ids, likeliest[at]?.logprobs)]),
    ),
    token_ids: completions.map((completion) => completion.tokens),
    prompt_token_ids: tokens,
    ...(completions.some((completion) => completion.tempered_logprobs) && {
      tempered_logprobs: completions.map((completion) => completion.tempered_logprobs),
    }),
    ...(scored && {
      prompt_logprobs: tokens.map((id, at) =>
        at === 0
          ? null
          : byId(id, scored.prompt_logprobs[at]!, scored.prompt_topk_token_ids[at], scored.prompt_topk_logprobs[at]),
      ),
    }),
    usage: result.usage,
    weight_version: completions[0]!.weight_version,
  };
}

function promptTokens(server: EmbeddedServer, prompt: unknown): number[] {
  if (typeof prompt === "string") return server.tokenizer.encode(prompt, { addSpecialTokens: false });
  const ids = isObject(prompt) ? prompt.prompt_token_ids : undefined;
  if (isTokenList(ids)) return ids;
  throw refuse("prompt", 'a text or {"prompt_token_ids": [id, …]}');
}

/** `{id: logprob}` of the token itself and of the likeliest. */
function byId(id: number, logprob: number, ids: readonly number[] = [], logprobs: readonly number[] = []): Body {
  return Object.fromEntries([[id, logprob], ...ids.map((other, at) => [other, logprobs[at]!])]);
}
