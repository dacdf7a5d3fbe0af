/**
 * The rollout graph: every token that a rollout sent to or got from an engine, stored once. A prompt node holds the ids
 * of one message that was not sampled, or of a generation prompt; a sampled node the ids that a call returned. Branches
 * share the nodes of what they have in common. Invariant: for every call, ids sent + ids returned = the concatenation of
 * the nodes on one path from a root. Nodes are never changed.
 */
import { LachesisError } from "../../core/index.ts";

/** Why a prompt did not extend the newest answer. */
export type BranchReason =
  /** The first prompt of a rollout. */
  | "start"
  /** The same prompt was sampled again. */
  | "resample"
  /** The caller changed, dropped or compacted earlier messages. */
  | "history_edited"
  /** The chat template renders an earlier answer differently once the conversation goes on, such as without its thinking. */
  | "template_rewrote"
  /** Another conversation of the same rollout, such as a sub-agent: nothing is shared but, at most, its instructions. */
  | "new_conversation";

interface NodeBase {
  readonly id: number;
  /** null at a root. */
  readonly parent: number | null;
  /** Ids that this node adds to its path. */
  readonly tokens: readonly number[];
  /** Text of those ids, special tokens included. */
  readonly text: string;
}

export interface PromptNode extends NodeBase {
  readonly kind: "prompt";
  /** Why the path leaves what was there; null where it goes on from its parent, an answer or the message before. */
  readonly branch: BranchReason | null;
}

export interface SampledNode extends NodeBase {
  readonly kind: "sampled";
  /** One per token: natural logarithm as the engine gave it. null where the engine gives none. */
  readonly logprobs: readonly number[] | null;
  /** null where the engine does not say. */
  readonly weightVersion: number | null;
  readonly finishReason: string;
}

export type GraphNode = PromptNode | SampledNode;

export class RolloutGraph {
  readonly #nodes: GraphNode[] = [];
  readonly #children = new Map<number | null, number[]>();
  #tokenized = 0;

  /** Characters that were tokenized for the prompts so far. */
  get tokenizedChars(): number {
    return this.#tokenized;
  }

  countTokenized(chars: number): void {
    this.#tokenized += chars;
  }

  get nodes(): readonly GraphNode[] {
    return this.#nodes;
  }

  addPrompt(
    parent: SampledNode | PromptNode | null,
    tokens: readonly number[],
    text: string,
    branch: BranchReason | null,
  ): PromptNode {
    return this.#add({ kind: "prompt", id: this.#nodes.length, parent: parent?.id ?? null, tokens, text, branch });
  }

  /** Throws `malformed_response` where the engine's log-probabilities do not fit its tokens. */
  addSampled(
    prompt: PromptNode,
    answer: Pick<SampledNode, "tokens" | "text" | "logprobs" | "weightVersion" | "finishReason">,
  ): SampledNode {
    if (answer.logprobs && answer.logprobs.length !== answer.tokens.length) {
      throw new LachesisError(
        "malformed_response",
        `The engine gave ${answer.logprobs.length} log-probabilities for ${answer.tokens.length} tokens.`,
      );
    }
    const broken = answer.logprobs?.findIndex((value) => !Number.isFinite(value) || value > 1e-3) ?? -1;
    if (broken >= 0) {
      throw new LachesisError(
        "malformed_response",
        `The engine's log-probability of token ${broken} is ${answer.logprobs![broken]}; it must be a finite number of at most 0.`,
      );
    }
    return this.#add({ kind: "sampled", id: this.#nodes.length, parent: prompt.id, ...answer });
  }

  node(id: number): GraphNode {
    const node = this.#nodes[id];
    if (!node) throw new LachesisError("internal", `The rollout graph has no node ${id}.`);
    return node;
  }

  children(node: GraphNode | null): GraphNode[] {
    return (this.#children.get(node?.id ?? null) ?? []).map((id) => this.node(id));
  }

  /** From a root to the node. */
  path(node: GraphNode): GraphNode[] {
    const path: GraphNode[] = [];
    for (let at: GraphNode | null = node; at; at = at.parent === null ? null : this.node(at.parent)) path.push(at);
    return path.reverse();
  }

  /** The ids of a whole path. */
  pathTokens(node: GraphNode): number[] {
    return this.path(node).flatMap((part) => part.tokens);
  }

  /** Sampled nodes that nothing sampled came after, in the order in which they were sampled. */
  leaves(): SampledNode[] {
    const continued = new Set<number>();
    for (const node of this.#nodes) {
      if (node.kind !== "sampled") continue;
      for (let at = node.parent; at !== null && !continued.has(at); at = this.node(at).parent) continued.add(at);
    }
    return this.#nodes.filter((node): node is SampledNode => node.kind === "sampled" && !continued.has(node.id));
  }

  #add<Node extends GraphNode>(node: Node): Node {
    this.#nodes.push(node);
    const siblings = this.#children.get(node.parent);
    if (siblings) siblings.push(node.id);
    else this.#children.set(node.parent, [node.id]);
    return node;
  }
}
