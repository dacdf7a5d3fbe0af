/**
 * Which environment variable holds the key of which host. A key is only ever sent to the host it belongs to, or to the
 * one that the user named together with it.
 */
import { redact } from "../core/index.ts";
import type { ServerConfig } from "./server-config.ts";

const KEY_VARIABLES: Record<string, string> = {
  "openrouter.ai": "OPENROUTER_API_KEY",
  "api.openai.com": "OPENAI_API_KEY",
  "api.anthropic.com": "ANTHROPIC_API_KEY",
  "router.huggingface.co": "HF_TOKEN",
  "api-inference.huggingface.co": "HF_TOKEN",
  "endpoints.huggingface.cloud": "HF_TOKEN",
  "thinkingmachines.dev": "TINKER_API_KEY",
  "api.together.xyz": "TOGETHER_API_KEY",
  "api.together.ai": "TOGETHER_API_KEY",
  "api.groq.com": "GROQ_API_KEY",
  "api.fireworks.ai": "FIREWORKS_API_KEY",
  "api.deepseek.com": "DEEPSEEK_API_KEY",
  "api.mistral.ai": "MISTRAL_API_KEY",
  "api.x.ai": "XAI_API_KEY",
  "api.cerebras.ai": "CEREBRAS_API_KEY",
  "api.deepinfra.com": "DEEPINFRA_API_KEY",
  "api.moonshot.ai": "MOONSHOT_API_KEY",
  "api.nousresearch.com": "NOUS_API_KEY",
  "inference-api.nousresearch.com": "NOUS_API_KEY",
  "integrate.api.nvidia.com": "NVIDIA_API_KEY",
  "generativelanguage.googleapis.com": "GEMINI_API_KEY",
};

export const OPENAI_BASE_URL = "https://api.openai.com/v1";

/**
 * The variable that holds the key for this address, or null where no key is known to be wanted.
 * @example keyVariableFor("https://openrouter.ai/api/v1") // "OPENROUTER_API_KEY"
 */
export function keyVariableFor(baseUrl: string): string | null {
  const host = hostOf(baseUrl);
  if (host === null) return null;
  for (const [domain, variable] of Object.entries(KEY_VARIABLES)) {
    if (host === domain || host.endsWith(`.${domain}`)) return variable;
  }
  return null;
}

/** The address that requests go to, without a slash at its end. */
export function baseUrlOf(config: Pick<ServerConfig, "base_url">, env: NodeJS.ProcessEnv = process.env): string {
  return (config.base_url || env.OPENAI_BASE_URL || OPENAI_BASE_URL).replace(/\/+$/, "");
}

/** The key to send, or "" for none. It is registered with `redact`. */
export function apiKeyOf(
  config: Pick<ServerConfig, "api_key" | "base_url">,
  env: NodeJS.ProcessEnv = process.env,
): string {
  const variable = keyVariableFor(baseUrlOf(config, env));
  const fromEnv = variable === null ? undefined : env[variable];
  // OPENAI_BASE_URL and OPENAI_API_KEY are set as a pair: the key then belongs to that address.
  const paired = !config.base_url && env.OPENAI_BASE_URL ? env.OPENAI_API_KEY : undefined;
  const key = config.api_key || fromEnv || paired || "";
  redact(key);
  return key;
}

function hostOf(url: string): string | null {
  return URL.canParse(url) ? new URL(url).hostname.toLowerCase() : null;
}
