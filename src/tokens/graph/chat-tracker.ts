/**
 * Finds for each chat request the place in the rollout graph that it continues, and adds only what is new. A sampled
 * answer stays in the context as it was sampled; where the conversation no longer extends it, the graph branches.
 */
import type { ChatMessage, ToolSchema } from "../../core/index.ts";
import type { BranchReason, PromptNode, RolloutGraph, SampledNode } from "./graph.ts";
import { sameMessage } from "./message-match.ts";
import { type ChatRenderer, TurnGlue } from "./turn-glue.ts";

interface PromptFacts {
  /** What the template's rendering of the conversation adds to that of the prompt node before it on the path. */
  rendered: string;
  /** Messages that this prompt added behind the answer before it (at a root: all). */
  added: readonly ChatMessage[];
  /** Messages up to here. */
  count: number;
}

/** The part of the graph that a request shares. */
interface Match {
  prompts: PromptNode[];
  /** The last answer that the request repeats; null where it repeats none behind the last prompt. */
  answer: SampledNode | null;
  /** Messages that the path holds. */
  count: number;
}

export interface ChatPrompt {
  node: PromptNode;
  /** Ids to send: the whole path. */
  tokens: number[];
}

export class ChatTracker {
  readonly #graph: RolloutGraph;
  readonly #renderer: ChatRenderer;
  readonly #glue: TurnGlue;
  readonly #prompts = new Map<number, PromptFacts>();
  readonly #answers = new Map<number, ChatMessage>();

  /** `preserveThinking`: extend answers as they were sampled even where the template would drop their reasoning. */
  constructor(graph: RolloutGraph, renderer: ChatRenderer, { preserveThinking = false } = {}) {
    this.#graph = graph;
    this.#renderer = renderer;
    this.#glue = new TurnGlue(renderer, preserveThinking);
  }

  /** Adds the prompt of a request, or gives the node that already holds it. Throws `template_error`. */
  prompt(messages: readonly ChatMessage[], tools: readonly ToolSchema[] | null): ChatPrompt {
    const match = this.#match(messages);
    const known = this.#restore(messages, match);
    const text = this.#renderer.render(known, { tools, addGenerationPrompt: true });
    const node = this.#place(known, tools, text, match);
    return { node, tokens: this.#graph.pathTokens(node) };
  }

  /** Registers an answer; `message` is what the caller is given and will send back. */
  answered(prompt: PromptNode, answer: Parameters<RolloutGraph["addSampled"]>[1], message: ChatMessage): SampledNode {
    const node = this.#graph.addSampled(prompt, answer);
    this.#answers.set(node.id, message);
    return node;
  }

  #place(
    messages: readonly ChatMessage[],
    tools: readonly ToolSchema[] | null,
    text: string,
    match: Match,
  ): PromptNode {
    let at = 0;
    let base: PromptNode | null = null;
    for (const prompt of match.prompts) {
      const { rendered } = this.#prompts.get(prompt.id)!;
      if (!text.startsWith(rendered, at)) break;
      at += rendered.length;
      base = prompt;
    }
    const rewritten = base !== (match.prompts.at(-1) ?? null);
    if (base && !rewritten && match.answer) {
      const upTo = messages.slice(0, match.count);
      const glue = this.#glue.between({
        upTo,
        answer: upTo.at(-1)!,
        sampled: match.answer.tokens,
        sampledText: match.answer.text,
        full: text,
        all: messages,
        start: at,
        tools,
      });
      if (glue !== null) return this.#add(match.answer, glue, null, { text, at, messages, from: match.count });
      return this.#add(base, text.slice(at), "template_rewrote", { text, at, messages, from: this.#countOf(base) });
    }
    if (base && !rewritten && at === text.length) return base;
    const reason = this.#reason(base, rewritten, messages);
    return this.#add(base, text.slice(at), reason, { text, at, messages, from: base ? this.#countOf(base) : 0 });
  }

  #reason(base: PromptNode | null, rewritten: boolean, messages: readonly ChatMessage[]): BranchReason {
    if (this.#graph.nodes.length === 0) return "start";
    if (rewritten) return "template_rewrote";
    if (base) return "history_edited";
    const first = messages[0];
    const shared = first && [...this.#prompts.values()].some(({ added }) => added[0] && sameMessage(first, added[0]));
    return shared ? "history_edited" : "new_conversation";
  }

  #add(
    parent: PromptNode | SampledNode | null,
    text: string,
    branch: BranchReason | null,
    { text: full, at, messages, from }: { text: string; at: number; messages: readonly ChatMessage[]; from: number },
  ): PromptNode {
    // A branch that is asked for twice is one node.
    for (const child of this.#graph.children(parent)) {
      if (child.kind === "prompt" && child.text === text && this.#prompts.get(child.id)?.count === messages.length)
        return child;
    }
    const node = this.#graph.addPrompt(parent, this.#encode(text, parent === null), text, branch);
    this.#prompts.set(node.id, { rendered: full.slice(at), added: messages.slice(from), count: messages.length });
    return node;
  }

  #encode(text: string, root: boolean): number[] {
    const ids = this.#renderer.encode(text);
    const { bosToken } = this.#renderer;
    // Templates that print the beginning-of-sequence token meet tokenizers that add it.
    if (root && bosToken !== null && ids[0] === bosToken && ids[1] === bosToken) ids.shift();
    return ids;
  }

  #countOf(prompt: PromptNode): number {
    return this.#prompts.get(prompt.id)!.count;
  }

  /** The deepest path whose messages the request repeats. */
  #match(messages: readonly ChatMessage[]): Match {
    let best: Match = { prompts: [], answer: null, count: 0 };
    const consider = (match: Match) => {
      if (match.count > best.count || (match.count === best.count && best.prompts.length < match.prompts.length))
        best = match;
    };
    const descend = (parent: SampledNode | PromptNode | null, prompts: PromptNode[], count: number) => {
      for (const prompt of this.#graph.children(parent)) {
        const facts = prompt.kind === "prompt" ? this.#prompts.get(prompt.id) : undefined;
        if (prompt.kind !== "prompt" || !facts) continue;
        const start = facts.count - facts.added.length;
        if (start !== count || !facts.added.every((message, index) => repeats(messages[count + index], message)))
          continue;
        const path = [...prompts, prompt];
        consider({ prompts: path, answer: null, count: facts.count });
        descend(prompt, path, facts.count);
        for (const answer of this.#graph.children(prompt)) {
          const message = this.#answers.get(answer.id);
          if (answer.kind !== "sampled" || !message || !repeats(messages[facts.count], message)) continue;
          consider({ prompts: path, answer, count: facts.count + 1 });
          descend(answer, path, facts.count + 1);
        }
      }
    };
    descend(null, [], 0);
    return best;
  }

  /** The request's messages, with the answers as the graph knows them: clients drop reasoning. */
  #restore(messages: readonly ChatMessage[], match: Match): ChatMessage[] {
    const restored = [...messages];
    const last = match.answer ?? match.prompts.at(-1);
    if (!last) return restored;
    for (const node of this.#graph.path(last)) {
      const message = this.#answers.get(node.id);
      const parent = node.parent === null ? null : this.#prompts.get(node.parent);
      if (message && parent) restored[parent.count] = withIdsOf(messages[parent.count], message);
    }
    return restored;
  }
}

/** The known message with the ids that the caller gave its calls: the results that follow name them. */
function withIdsOf(sent: ChatMessage | undefined, known: ChatMessage): ChatMessage {
  if (!sent?.tool_calls || !known.tool_calls) return known;
  const calls = known.tool_calls.map((call, index) => ({ ...call, id: sent.tool_calls![index]?.id ?? call.id }));
  return { ...known, tool_calls: calls };
}

function repeats(sent: ChatMessage | undefined, known: ChatMessage): boolean {
  return sent !== undefined && sameMessage(sent, known);
}
