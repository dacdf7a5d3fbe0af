/**
 * How each rollout's view of the servers is made: token-tracking where the servers take and give token ids, plain where
 * they do not. The tokenizer is loaded once for the run.
 */
import type { ManagedState } from "../agent/index.ts";
import type { ResolvedConfig } from "../config/index.ts";
import type { TokenSequence } from "../evaluation/index.ts";
import { embeddedModelFolder, type ServerManager, Session } from "../inference/index.ts";
import { loadTokenizer } from "../tokens/index.ts";
import type { AgentEnvConfig } from "./fields.ts";
import type { MemberOptions } from "./member.ts";
import { plainSession, type RolloutSession } from "./rollout.ts";

export async function openSession(
  servers: ServerManager,
  resolved: ResolvedConfig<object>,
): Promise<MemberOptions["openSession"]> {
  if (!servers.givesTokens) return () => plainSession(servers);
  const tokenizer = await loadTokenizer(tokenizerOf(resolved));
  // Environments without an agent have no parser setting; sessions then keep the text as it is.
  const { tool_call_parser: toolCallParser, thinking_mode: preserveThinking } = resolved.env as Partial<AgentEnvConfig>;
  return () =>
    tracked(
      new Session({
        server: servers,
        tokenizer,
        model: servers.modelName,
        ...(toolCallParser && { toolCallParser }),
        ...(preserveThinking && { preserveThinking }),
      }),
    );
}

function tokenizerOf({ openai: [server] }: ResolvedConfig<object>): string {
  if (server!.server_type === "embedded") return embeddedModelFolder(server!.model_name);
  return server!.tokenizer_name === "none" ? server!.model_name : server!.tokenizer_name;
}

function tracked(session: Session): RolloutSession {
  return {
    server: session,
    finish() {
      const managed_state: ManagedState = { nodes: session.nodes() };
      const sequences = session.sequences().map(
        ({ tokens, masks, inference_logprobs, weight_versions }): TokenSequence => ({
          tokens,
          masks,
          inference_logprobs,
          weight_versions,
        }),
      );
      return { managed_state, sequences };
    },
  };
}
