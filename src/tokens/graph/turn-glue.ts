/**
 * The text between a sampled answer and the next prompt: what closes the turn and was not sampled, then the new
 * messages and the next generation prompt. It is found by rendering, never by knowing a family's markup.
 */
import { type ChatMessage, type ToolSchema, textOf } from "../../core/index.ts";

export interface ChatRenderer {
  /** Throws `template_error` where the template refuses the conversation. */
  render(
    messages: readonly ChatMessage[],
    options: { tools: readonly ToolSchema[] | null; addGenerationPrompt: boolean },
  ): string;
  /** Without special tokens added around the text. */
  encode(text: string): number[];
  /** The text of one id, special tokens included. */
  tokenText(id: number): string;
  /** Ids that end a turn. */
  readonly stopTokens: ReadonlySet<number>;
  /** null where the model has none. */
  readonly bosToken: number | null;
}

/** Characters; no end token is longer. */
const LONGEST_TOKEN = 64;

/** Stands for an answer in trial renderings; letters only, so that no template escapes or trims it. */
const SENTINEL = "LachesisSentinelAnswer";

export interface Turn {
  /** The conversation up to and with the answer. */
  upTo: readonly ChatMessage[];
  /** The answer itself, the last of them. */
  answer: ChatMessage;
  /** Ids of the answer as they were sampled. */
  sampled: readonly number[];
  /** Their text, special tokens included. */
  sampledText: string;
  /** The whole conversation, rendered with a generation prompt. */
  full: string;
  all: readonly ChatMessage[];
  /** Where in `full` the answer's turn begins, behind its generation prompt. */
  start: number;
  tools: readonly ToolSchema[] | null;
}

export class TurnGlue {
  readonly #renderer: ChatRenderer;
  readonly #preserveThinking: boolean;
  #closing: string | null | undefined;

  constructor(renderer: ChatRenderer, preserveThinking: boolean) {
    this.#renderer = renderer;
    this.#preserveThinking = preserveThinking;
  }

  /** Text to add after the sampled ids; null where the template no longer shows the answer as it was sampled. */
  between(turn: Turn): string | null {
    const stop = this.#stopOf(turn.sampled);
    // Where the template prints the answer as it was sampled, what comes behind it is plain to see.
    if (turn.full.startsWith(turn.sampledText, turn.start))
      return turn.full.slice(turn.start + turn.sampledText.length);
    const after = this.#after(turn);
    if (after === null) return null;
    const body = turn.full.slice(turn.start, turn.full.length - after.length);
    if (!this.#shows(body, turn.answer)) return null;
    const closing = this.#closingOf(turn, body, stop);
    if (closing === null) return null;
    // Some turns end with the token that opens the next one: a model that sampled it has opened it already.
    return closing === "" && stop !== "" && after.startsWith(stop) ? after.slice(stop.length) : closing + after;
  }

  /** The text of the token that ended the turn; "" where none was sampled. */
  #stopOf(sampled: readonly number[]): string {
    const last = sampled.at(-1);
    return last !== undefined && this.#renderer.stopTokens.has(last) ? this.#renderer.tokenText(last) : "";
  }

  /** What follows the answer's turn in the full text: the new messages and the generation prompt. */
  #after({ full, upTo, all, answer, tools }: Turn): string | null {
    const alone = this.#try(upTo, tools);
    if (alone !== null && full.startsWith(alone)) return full.slice(alone.length);
    // The template may treat a last answer differently (an empty thinking block before it): compare only what comes
    // behind the answer's own text, in two renderings that hold a sentinel in its place.
    const marked: ChatMessage = { ...answer, content: SENTINEL };
    const replaced = all.map((message) => (message === answer ? marked : message));
    const wholeText = this.#try(replaced, tools, true);
    const lastText = this.#try([...upTo.slice(0, -1), marked], tools);
    const whole = tail(wholeText);
    const last = tail(lastText);
    if (wholeText === null || lastText === null || whole === null || last === null) return null;
    // A template that prints later messages before the answer's content has rewritten the turn.
    if (!nothingNewBefore(head(wholeText, whole), head(lastText, last))) return null;
    const after = whole.startsWith(last) ? whole.slice(last.length) : this.#behindCommon(whole, last);
    return after !== null && full.endsWith(after) ? after : null;
  }

  /**
   * What follows the part that both texts begin with; null where `last` has more behind it than an end token. Some
   * templates end a conversation with another token than a turn, or with one more; such a token in the place of the
   * turn's own belongs to the closing.
   */
  #behindCommon(whole: string, last: string): string | null {
    let common = commonLength(whole, last);
    const { start } = this.#stopIn(last.slice(0, common + LONGEST_TOKEN)) ?? { start: common };
    // Two tokens may begin with the same letters: they are not cut.
    common = Math.min(common, start);
    if (this.#stopAt(last, common) === null) return null;
    // A turn that is closed already has no token to be replaced.
    const replaced = this.#stopIn(whole.slice(0, common)) === null ? this.#stopAt(whole, common) : null;
    return whole.slice(common + (replaced?.length ?? 0));
  }

  /** The end-of-turn token that stands at this place of the text. */
  #stopAt(text: string, at: number): string | null {
    for (const id of this.#renderer.stopTokens) {
      const token = this.#renderer.tokenText(id);
      if (token !== "" && text.startsWith(token, at)) return token;
    }
    return null;
  }

  /** Whether the template's rendering of the answer still holds what the model wrote. */
  #shows(body: string, answer: ChatMessage): boolean {
    const content = textOf(answer.content).trim();
    const reasoning = this.#preserveThinking ? "" : (answer.reasoning_content ?? "").trim();
    return (
      body.includes(content) &&
      body.includes(reasoning) &&
      (answer.tool_calls ?? []).every((call) => body.includes(call.function.name))
    );
  }

  /** What closes the turn, less the part that the engine itself sampled. */
  #closingOf({ tools }: Turn, body: string, stop: string): string | null {
    const closing = this.#usualClosing(tools);
    if (closing !== null && body.endsWith(closing)) {
      if (stop === "") return closing;
      const at = closing.indexOf(stop);
      if (at >= 0) return closing.slice(at + stop.length);
      // Ended by another end token than the template's: the sampled one stands, the template's is not added.
      const other = this.#stopIn(closing);
      return other === null ? closing : closing.slice(other.end);
    }
    // Turns with calls may close differently (another end token): take what follows the last end token in the body.
    const other = this.#stopIn(body);
    if (other === null) return stop === "" && closing === null ? "" : null;
    return stop === "" ? body.slice(other.start) : body.slice(other.end);
  }

  /** The last end-of-turn token in the text. */
  #stopIn(text: string): { start: number; end: number } | null {
    let found: { start: number; end: number } | null = null;
    for (const id of this.#renderer.stopTokens) {
      const token = this.#renderer.tokenText(id);
      const start = token === "" ? -1 : text.lastIndexOf(token);
      if (start >= 0 && start > (found?.start ?? -1)) found = { start, end: start + token.length };
    }
    return found;
  }

  /** What the template puts behind a plain answer. Found once: it does not depend on the history. */
  #usualClosing(tools: readonly ToolSchema[] | null): string | null {
    if (this.#closing === undefined) {
      const messages: ChatMessage[] = [
        { role: "user", content: "x" },
        { role: "assistant", content: SENTINEL },
      ];
      this.#closing = tail(this.#try(messages, tools));
    }
    return this.#closing;
  }

  #try(
    messages: readonly ChatMessage[],
    tools: readonly ToolSchema[] | null,
    addGenerationPrompt = false,
  ): string | null {
    try {
      return this.#renderer.render(messages, { tools, addGenerationPrompt });
    } catch {
      // A trial rendering that the template refuses says only that this way of finding the boundary is closed.
      return null;
    }
  }
}

function commonLength(a: string, b: string): number {
  let common = 0;
  while (common < a.length && a[common] === b[common]) common++;
  return common;
}

/** The text before the sentinel, of which `behind` is the rest. */
function head(text: string, behind: string): string {
  return text.slice(0, text.length - behind.length - SENTINEL.length);
}

/** Whether `text` has nothing that `known` lacks, behind what both begin with. */
function nothingNewBefore(text: string, known: string): boolean {
  const common = commonLength(text, known);
  return known.slice(common).includes(text.slice(common));
}

function tail(text: string | null): string | null {
  const at = text?.lastIndexOf(SENTINEL) ?? -1;
  return text === null || at < 0 ? null : text.slice(at + SENTINEL.length);
}
