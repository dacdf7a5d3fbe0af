/** Finds the place in the rollout graph that a plain text prompt continues: the longest path whose text it begins with. */
import type { ChatRenderer, GraphNode, PromptNode, RolloutGraph, SampledNode } from "../../tokens/index.ts";

export class TextTracker {
  readonly #graph: RolloutGraph;
  readonly #renderer: ChatRenderer;
  /** Prompt nodes that came from texts; those of chats are not continued by texts. */
  readonly #prompts = new Set<number>();

  constructor(graph: RolloutGraph, renderer: ChatRenderer) {
    this.#graph = graph;
    this.#renderer = renderer;
  }

  prompt(text: string): { node: PromptNode; tokens: number[] } {
    const [base, length] = this.#longest(text, null, 0);
    const rest = text.slice(length);
    const node = base?.kind === "prompt" && rest === "" ? base : this.#add(base, rest);
    return { node, tokens: this.#graph.pathTokens(node) };
  }

  answered(prompt: PromptNode, answer: Parameters<RolloutGraph["addSampled"]>[1]): SampledNode {
    return this.#graph.addSampled(prompt, answer);
  }

  #add(base: GraphNode | null, text: string): PromptNode {
    const extends_ = base?.kind === "sampled";
    const reason = extends_
      ? null
      : this.#graph.nodes.length === 0
        ? "start"
        : base
          ? "history_edited"
          : "new_conversation";
    this.#graph.countTokenized(text.length);
    const node = this.#graph.addPrompt(base, this.#renderer.encode(text), text, reason);
    this.#prompts.add(node.id);
    return node;
  }

  #longest(text: string, parent: GraphNode | null, at: number): [GraphNode | null, number] {
    let best: [GraphNode | null, number] = [parent, at];
    for (const child of this.#graph.children(parent)) {
      const known = child.kind === "sampled" || this.#prompts.has(child.id);
      if (!known || !text.startsWith(child.text, at)) continue;
      const found = this.#longest(text, child, at + child.text.length);
      if (found[1] > best[1] || best[0] === parent) best = found;
    }
    return best;
  }
}
