/**
 * Whether a refusal means that the conversation no longer fits in the model's context. Every server says it in words of
 * its own; the words below are those of OpenAI, vLLM, SGLang, TGI, TensorRT-LLM, llama.cpp, LM Studio, Ollama, Anthropic,
 * Gemini, Bedrock, Mistral, xAI, Groq, Cerebras, Cohere, DeepSeek, Moonshot, MiniMax and GLM.
 */
const CODES = new Set(["context_length_exceeded", "exceed_context_size_error", "string_above_max_length"]);

const WORDS: readonly RegExp[] = [
  /maximum (context|prompt|model|input) length/i,
  /max(imum)?[_ ](model[_ ]len|seq(uence)?[_ ]len)/i,
  /context[_ ](length|size|window|limit)[^.]{0,40}(exceed|too (long|large|small))/i,
  /(exceed|larger|longer|greater|more)[^.]{0,80}context[_ ](length|size|window|limit)/i,
  /(prompt|input|messages?|conversation|request)\)? (is|are) too (long|large) for/i,
  /prompt (\([^)]*\) )?(is )?too long/i,
  /prompt exceeds (the )?max/i,
  /input (is )?too long/i,
  /input (length|tokens?)[^.]{0,80}exceed/i,
  /input token count[^.]{0,80}exceeds/i,
  /prompt length[^.]{0,80}exceed/i,
  /exceeded model token limit/i,
  /`?inputs`? (tokens \+ `?max_new_tokens`?|must have less than)/i,
  /requested token count exceeds/i,
  /too many tokens/i,
  /reduce the length of (the|your) (messages|prompt|input)/i,
  /max_tokens must be at least 1, got -?\d/i,
  /number of tokens (to keep from|in) the (initial )?prompt/i,
  /exceed(s|ed)? max_num_tokens/i,
];

/** Limits on traffic speak of too many tokens, too, but waiting cures them. */
const TRAFFIC = /tokens? per (minute|day|second|hour)|\bTPM\b|\bTPD\b|rate[_ ]limit/i;

export function isContextOverflow(message: string, code: string | null): boolean {
  if (code !== null && CODES.has(code)) return true;
  return !TRAFFIC.test(message) && WORDS.some((pattern) => pattern.test(message));
}
