/**
 * Inkling's messages as typed blocks: text, thinking, tool calls and tool errors, each up to the end of its message.
 * Text before a block's marker is the message's header (a tool's name); text that no marker follows is content.
 */
import { TokenFinder } from "./token-finder.ts";

export type InklingKind = "text" | "thinking" | "call" | "header";

export interface InklingBlock {
  kind: InklingKind;
  start: number;
  bodyStart: number;
  bodyEnd: number;
  end: number;
  /** false: the text ended inside the block. */
  closed: boolean;
}

const KINDS: Record<string, InklingKind> = {
  "<|content_text|>": "text",
  "<|content_thinking|>": "thinking",
  "<|content_invoke_tool_json|>": "call",
  "<|content_tool_error|>": "text",
};
const ENDS = ["<|end_message|>", "<|content_model_end_sampling|>"];
const MODEL = "<|message_model|>";

/** @param inHeader Whether the text continues a message's header, as a completion does whose prompt opened the message. */
export function readInklingBlocks(text: string, inHeader: boolean): InklingBlock[] {
  const finder = new TokenFinder(text);
  const blocks: InklingBlock[] = [];
  const markers = [...Object.keys(KINDS), ...ENDS, MODEL];
  let at = 0;
  let header = inHeader;
  while (at < text.length) {
    const next = finder.first(markers, at);
    const headerEnd = next?.at ?? text.length;
    const kind = next === null ? undefined : KINDS[next.token];
    if (kind === undefined) {
      const end = next === null ? text.length : next.at + next.token.length;
      blocks.push({ kind: "text", start: at, bodyStart: at, bodyEnd: headerEnd, end, closed: true });
      header = next?.token === MODEL;
      at = end;
      continue;
    }
    if (headerEnd > at) {
      const before = header ? "header" : "text";
      blocks.push({ kind: before, start: at, bodyStart: at, bodyEnd: headerEnd, end: headerEnd, closed: true });
    }
    header = false;
    const bodyStart = headerEnd + next!.token.length;
    const stop = finder.first([...ENDS, MODEL], bodyStart);
    const bodyEnd = stop?.at ?? text.length;
    const end = stop === null || stop.token === MODEL ? bodyEnd : bodyEnd + stop.token.length;
    blocks.push({ kind, start: headerEnd, bodyStart, bodyEnd, end, closed: stop !== null });
    at = end;
  }
  return blocks;
}
