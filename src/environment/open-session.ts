/**
 * How each rollout's view of the servers is made: plain for servers of type openai, token-tracking for the others. The
 * tokenizer is loaded once for the run.
 */
import type { ResolvedConfig } from "../config/index.ts";
import type { ServerManager } from "../inference/index.ts";
import type { MemberOptions } from "./member.ts";
import { plainSession } from "./rollout.ts";

export async function openSession(
  _servers: ServerManager,
  _resolved: ResolvedConfig<object>,
): Promise<MemberOptions["openSession"]> {
  return plainSession;
}
