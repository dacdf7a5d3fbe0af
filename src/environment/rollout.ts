/**
 * What a rollout is given: who it is, its seed, its signal, the server that answers it. One object per try; nothing of a
 * rollout lives anywhere else.
 */
import type { ManagedState } from "../agent/index.ts";
import type { ChatMessage, ToolSchema } from "../core/index.ts";
import type { TokenSequence } from "../evaluation/index.ts";
import type { ChatServer } from "../inference/index.ts";
import type { Tool } from "../tools/index.ts";

export type Split = "train" | "eval";

/** The tools of one group: the same for all its rollouts. */
export interface GroupTools {
  tools: readonly Tool[];
  /** As they are offered to the model, sorted by name. */
  schemas: readonly ToolSchema[];
  /** Names of the toolsets that they come from; those that a distribution drew. */
  toolsets?: readonly string[];
}

/** The token-tracking view of one rollout; plain servers give no tokens. */
export interface RolloutSession {
  server: ChatServer;
  /** What was tracked; null where the server gives no tokens. Called once, when the agent is done. */
  finish(end: SessionEnd): TrackedTokens | null;
}

/** The finished conversation, for tokens that are rendered from it. */
export interface SessionEnd {
  messages: readonly ChatMessage[];
  tools: readonly ToolSchema[];
  stopReason: string;
}

export interface TrackedTokens {
  managed_state: ManagedState | null;
  sequences: TokenSequence[];
}

export interface Rollout {
  /** Unique in the run, the same after a resume. */
  readonly id: string;
  readonly itemId: string;
  readonly groupId: string;
  /** Place in the group, or number of the attempt in an evaluation; from 0. */
  readonly member: number;
  readonly seed: number;
  readonly split: Split;
  readonly temperature: number;
  /** Aborts when the run is cancelled or the rollout has taken too long. */
  readonly signal: AbortSignal;
  /** null in environments without an agent. */
  readonly tools: GroupTools | null;
  /** Answers the rollout's model calls. Uses of it are tracked where the server gives tokens. */
  readonly session: RolloutSession;
  /** Host sockets that the rollout's sandbox must show, by path inside; only with `env.harness: command`. */
  readonly sockets?: Record<string, string>;
}

/** A group under collection. */
export interface Group {
  readonly id: string;
  readonly itemId: string;
  readonly seed: number;
  readonly size: number;
  readonly tools: GroupTools | null;
}

/** The plain session: no tokens. */
export function plainSession(server: ChatServer): RolloutSession {
  return { server, finish: () => null };
}
