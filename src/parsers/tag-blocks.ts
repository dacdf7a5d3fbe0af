/**
 * Blocks between an opening and a closing tag: each opening tag up to the next closing tag; a last opening tag without
 * one takes the rest of the text. Blocks do not overlap, stand in order, and are found in one pass.
 */
import { TokenFinder } from "./token-finder.ts";

export interface TagBlock {
  /** Of the opening tag. */
  start: number;
  bodyStart: number;
  bodyEnd: number;
  /** After the closing tag, or the end of the text. */
  end: number;
  closed: boolean;
}

export function tagBlocks(text: string, open: string, close: string, from = 0): TagBlock[] {
  const finder = new TokenFinder(text);
  const blocks: TagBlock[] = [];
  let at = finder.next(open, from);
  while (at !== -1) {
    const bodyStart = at + open.length;
    const closeAt = finder.next(close, bodyStart);
    const closed = closeAt !== -1;
    const bodyEnd = closed ? closeAt : text.length;
    const end = closed ? closeAt + close.length : text.length;
    blocks.push({ start: at, bodyStart, bodyEnd, end, closed });
    at = finder.next(open, end);
  }
  return blocks;
}
