/**
 * Where in a rendered conversation one message ends and the next begins, and which ids belong to which. Boundaries are
 * found by rendering the conversation up to each message; a template that does not print it as a beginning of the whole
 * shows no boundary there, and the messages stay together. Invariant: the pieces' ids, joined, are the ids of the text.
 */
import type { ChatMessage, ToolSchema } from "../../core/index.ts";
import type { ChatRenderer } from "./turn-glue.ts";

/** Renderings that one prompt may cost: a long foreign history is cut at its first and last messages only. */
const MOST_AT_EACH_END = 8;

export interface MessagePiece {
  text: string;
  /** Messages that the piece holds; empty for the generation prompt. */
  added: readonly ChatMessage[];
}

export interface PieceRequest {
  messages: readonly ChatMessage[];
  tools: readonly ToolSchema[] | null;
  /** The whole conversation, rendered with a generation prompt. */
  full: string;
  /** Where in `full` the new text begins. */
  at: number;
  /** Index of the first message that is new. */
  from: number;
}

/** `full` from `at` on, cut behind each new message whose end the template shows. Never empty. */
export function cutMessages(renderer: ChatRenderer, { messages, tools, full, at, from }: PieceRequest): MessagePiece[] {
  const pieces: MessagePiece[] = [];
  let start = at;
  let first = from;
  for (let count = from + 1; count <= messages.length; count++) {
    if (count > from + MOST_AT_EACH_END && count <= messages.length - MOST_AT_EACH_END) continue;
    const upTo = tryRender(renderer, messages.slice(0, count), tools);
    if (upTo === null || upTo.length <= start || !full.startsWith(upTo)) continue;
    pieces.push({ text: full.slice(start, upTo.length), added: messages.slice(first, count) });
    start = upTo.length;
    first = count;
  }
  if (start < full.length) pieces.push({ text: full.slice(start), added: messages.slice(first) });
  else if (first < messages.length) {
    const last = pieces.pop();
    pieces.push({ text: last?.text ?? "", added: [...(last?.added ?? []), ...messages.slice(first)] });
  }
  return pieces.length > 0 ? pieces : [{ text: "", added: [] }];
}

/** The ids of each piece; pieces whose boundary runs through a token become one. */
export function cutTokens(
  renderer: ChatRenderer,
  pieces: readonly MessagePiece[],
  tokens: readonly number[],
  encode: (text: string) => number[],
): (MessagePiece & { tokens: number[] })[] {
  const result: (MessagePiece & { tokens: number[] })[] = [];
  let open: MessagePiece | null = null;
  let from = 0;
  for (const [index, piece] of pieces.entries()) {
    const joined: MessagePiece =
      open === null ? piece : { text: open.text + piece.text, added: [...open.added, ...piece.added] };
    const end: number | null =
      index === pieces.length - 1 ? tokens.length : endOf(renderer, tokens, from, joined.text, encode);
    if (end === null) open = joined;
    else {
      result.push({ ...joined, tokens: tokens.slice(from, end) });
      open = null;
      from = end;
    }
  }
  return result;
}

/** Where the ids of `text` end, which begin at `from`; null where a token runs across its end. */
function endOf(
  renderer: ChatRenderer,
  tokens: readonly number[],
  from: number,
  text: string,
  encode: (text: string) => number[],
): number | null {
  let length = 0;
  for (let end = from; end < tokens.length && length < text.length; ) {
    const part = renderer.tokenText(tokens[end]!);
    // Cut characters and stripped spaces print differently alone.
    if (!text.startsWith(part, length) || part === "") break;
    length += part.length;
    end++;
    if (length === text.length) return end;
  }
  const alone = encode(text);
  return alone.every((id, index) => tokens[from + index] === id) ? from + alone.length : null;
}

function tryRender(
  renderer: ChatRenderer,
  messages: readonly ChatMessage[],
  tools: readonly ToolSchema[] | null,
): string | null {
  try {
    return renderer.render(messages, { tools, addGenerationPrompt: false });
  } catch {
    // A template that refuses the shorter conversation (no user message yet) shows no boundary there.
    return null;
  }
}
