/**
 * How each rollout's view of the servers is made: token-tracking where the servers give exact tokens, plain for servers
 * of type openai (with tokens rendered afterwards, marked as such, if that is allowed). The tokenizer is loaded once for
 * the run, and only where it is needed.
 */

import type { ManagedState } from "../agent/index.ts";
import type { ResolvedConfig } from "../config/index.ts";
import type { TokenSequence } from "../evaluation/index.ts";
import type { ServerManager } from "../inference/index.ts";
import type { Tokenizer, TrainingSequence } from "../tokens/index.ts";
import type { AgentEnvConfig } from "./fields.ts";
import { plainSession, type RolloutSession } from "./rollout.ts";

type Config = Partial<AgentEnvConfig> & Pick<AgentEnvConfig, "tokenizer_name" | "allow_rendered_tokens">;

/** Gives the function that opens the session of one rollout. Throws `tokenizer_error`. */
export async function openSession(
  servers: ServerManager,
  resolved: ResolvedConfig<object>,
): Promise<() => RolloutSession> {
  const config = resolved.env as Config;
  if (!servers.givesTokens && !config.allow_rendered_tokens) return () => plainSession(servers);
  const [{ loadTokenizer }, sessions, source] = await Promise.all([
    import("../tokens/index.ts"),
    import("../inference/sessions/index.ts"),
    tokenizerSource(resolved, config),
  ]);
  const tokenizer = await loadTokenizer(source);
  if (!servers.givesTokens) return () => renderedSession(servers, tokenizer, sessions.renderedSequence);
  return () => {
    const session = new sessions.Session({
      server: servers,
      tokenizer,
      model: servers.modelName,
      ...(config.tool_call_parser && { toolCallParser: config.tool_call_parser }),
      preserveThinking: config.thinking_mode ?? false,
    });
    return {
      server: session,
      finish: () => ({
        managed_state: { nodes: session.nodes() } satisfies ManagedState,
        sequences: session.sequences().map((sequence) => tokenSequence(sequence, false)),
      }),
    };
  };
}

function renderedSession(
  servers: ServerManager,
  tokenizer: Tokenizer,
  render: typeof import("../inference/sessions/index.ts").renderedSequence,
): RolloutSession {
  return {
    server: servers,
    finish: ({ messages, tools, stopReason }) => {
      const sequence = render(tokenizer, messages, {
        tools: tools.length > 0 ? tools : null,
        finishReason: stopReason,
      });
      return sequence && { managed_state: null, sequences: [tokenSequence(sequence, true)] };
    },
  };
}

function tokenSequence(sequence: TrainingSequence, rendered: boolean): TokenSequence {
  const { tokens, masks, inference_logprobs, weight_versions } = sequence;
  return { tokens, masks, inference_logprobs, weight_versions, ...(rendered && { rendered }) };
}

/** The server's own tokenizer, the environment's if it was set, the model's name. */
async function tokenizerSource(resolved: ResolvedConfig<object>, config: Config): Promise<string> {
  const server = resolved.openai[0]!;
  if (server.tokenizer_name !== "none") return server.tokenizer_name;
  if (server.server_type === "embedded") {
    const { embeddedModelFolder } = await import("../inference/embedded/embedded-client.ts");
    return embeddedModelFolder(server.model_name);
  }
  const isSet = resolved.sources["env.tokenizer_name"]?.kind !== "default";
  return isSet || server.model_name === "default" ? config.tokenizer_name : server.model_name;
}
