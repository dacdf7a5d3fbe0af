/**
 * Finds for each chat request the place in the rollout graph that it continues, and adds only what is new. A sampled
 * answer stays in the context as it was sampled; where the conversation no longer extends it, the graph branches.
 */
import type { ChatMessage, ToolSchema } from "../../core/index.ts";
import type { BranchReason, PromptNode, RolloutGraph, SampledNode } from "./graph.ts";
import { sameMessage } from "./message-match.ts";
import { cutMessages, cutTokens, type MessagePiece } from "./message-pieces.ts";
import { type ChatRenderer, TurnGlue } from "./turn-glue.ts";

interface PromptFacts {
  /** What the template's rendering of the conversation adds to that of the prompt node before it on the path. */
  rendered: string;
  /** The messages that this node holds: one where the template shows its bounds, none for a generation prompt. */
  added: readonly ChatMessage[];
  /** Messages up to here. */
  count: number;
  /** Whether the path up to here holds more than instructions, which many conversations may begin with. */
  opened: boolean;
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
  /** The first message behind the instructions of each conversation. */
  readonly #openings: ChatMessage[] = [];

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
    const request = { messages, tools, full: text, at };
    const last = match.prompts.at(-1) ?? null;
    if (base && base === last && match.answer) {
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
      if (glue !== null) {
        const pieces = cutMessages(this.#renderer, { ...request, from: match.count });
        return this.#append(match.answer, null, inGlue(pieces, glue), match.count, text.slice(at));
      }
    } else if (base && base === last && at === text.length) return base;
    // Where the answer to a generation prompt is not repeated, the text may leave the path before it.
    const end = !match.answer && last && this.#prompts.get(last.id)!.added.length === 0 ? match.prompts.at(-2) : last;
    const rewritten = match.answer !== null || (base !== last && base !== (end ?? null));
    const from = base ? this.#countOf(base) : 0;
    const pieces = cutMessages(this.#renderer, { ...request, from });
    return this.#append(base, this.#reason(base, rewritten, messages), pieces, from, text.slice(at));
  }

  #reason(base: PromptNode | null, rewritten: boolean, messages: readonly ChatMessage[]): BranchReason {
    if (this.#graph.nodes.length === 0) return "start";
    if (rewritten) return "template_rewrote";
    if (base && this.#prompts.get(base.id)!.opened) return "history_edited";
    const first = messages.find(opens);
    return first && this.#openings.some((known) => sameMessage(first, known)) ? "history_edited" : "new_conversation";
  }

  /** Adds the nodes for the pieces, of which some may be there. `rendered` is what the template prints for them. */
  #append(
    parent: PromptNode | SampledNode | null,
    branch: BranchReason | null,
    pieces: readonly MessagePiece[],
    from: number,
    rendered: string,
  ): PromptNode {
    let at = parent;
    let count = from;
    let rest = pieces;
    // What is asked for twice is stored once.
    for (let known = this.#child(at, pieces[0]!, count); known !== null; ) {
      at = known;
      count += rest[0]!.added.length;
      rest = rest.slice(1);
      if (rest.length === 0) return known;
      known = this.#child(at, rest[0]!, count);
    }
    const text = joined(rest);
    const tokens = this.#tokensBehind(at, text);
    if (tokens === null) return this.#aloneFrom(at!, rest, branch);
    const reason = branch ?? (at === parent ? null : "history_edited");
    // The template's text of what is found or added first is longer than its piece: it has the answer before it, too.
    let printed = at === parent ? rendered.slice(0, rendered.length - joined(rest.slice(1)).length) : null;
    let opened = at !== null && (at.kind === "sampled" || this.#prompts.get(at.id)!.opened);
    let node = at;
    for (const piece of cutTokens(this.#renderer, rest, tokens, (part) => this.#encode(part, node === null))) {
      const first = node === at;
      node = this.#graph.addPrompt(node, piece.tokens, piece.text, first ? reason : null);
      count += piece.added.length;
      const opening = opened ? undefined : piece.added.find(opens);
      if (opening) this.#openings.push(opening);
      opened ||= opening !== undefined;
      if (first && printed !== null) printed += piece.text.slice(rest[0]!.text.length);
      this.#prompts.set(node.id, {
        rendered: first ? (printed ?? piece.text) : piece.text,
        added: piece.added,
        count,
        opened,
      });
    }
    return node as PromptNode;
  }

  /** A prompt whose ids do not go on from those of the prompt nodes before it: a root of its own, as one node. */
  #aloneFrom(at: PromptNode | SampledNode, rest: readonly MessagePiece[], branch: BranchReason | null): PromptNode {
    const before = this.#graph.path(at).map((node) => ({ text: node.text, added: this.#prompts.get(node.id)!.added }));
    const all = [...before, ...rest];
    const whole = { text: joined(all), added: all.flatMap((piece) => piece.added) };
    return this.#append(null, branch, [whole], 0, whole.text);
  }

  #child(parent: PromptNode | SampledNode | null, piece: MessagePiece, from: number): PromptNode | null {
    for (const child of this.#graph.children(parent)) {
      if (child.kind !== "prompt" || child.text !== piece.text) continue;
      if (this.#prompts.get(child.id)?.count === from + piece.added.length) return child;
    }
    return null;
  }

  /**
   * The ids of a text that follows a node. null where nothing was sampled before it and the ids of the whole prompt do
   * not begin with the node's: then they are not what a tokenizer makes of it.
   */
  #tokensBehind(at: PromptNode | SampledNode | null, text: string): number[] | null {
    const path = at === null ? [] : this.#graph.path(at);
    if (path.some((node) => node.kind === "sampled")) return this.#encode(text, false);
    const tokens = this.#encode(path.map((node) => node.text).join("") + text, true);
    const known = path.flatMap((node) => node.tokens);
    return known.every((id, index) => tokens[index] === id) ? tokens.slice(known.length) : null;
  }

  #encode(text: string, root: boolean): number[] {
    this.#graph.countTokenized(text.length);
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

const opens = (message: ChatMessage): boolean => message.role !== "system" && message.role !== "developer";

const joined = (pieces: readonly MessagePiece[]): string => pieces.map((piece) => piece.text).join("");

/** The pieces of the text behind an answer, the first of which begins in the answer's turn: what of it is in the glue. */
function inGlue(pieces: readonly MessagePiece[], glue: string): MessagePiece[] {
  const [first, ...others] = pieces;
  const behind = joined(others);
  if (!glue.endsWith(behind)) return [{ text: glue, added: pieces.flatMap((piece) => piece.added) }];
  return [{ text: glue.slice(0, glue.length - behind.length), added: first!.added }, ...others];
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
