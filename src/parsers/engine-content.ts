/**
 * The content of the families that vLLM's parser engine reads: text outside calls up to the first call, a closing
 * reasoning tag in it swallowed, blanks around it dropped once there is a call. Text after a call is left to `rest`.
 */
import type { Extraction } from "./extraction.ts";
import type { TokenFinder } from "./token-finder.ts";

export interface ThinkTags {
  /** Where an opening tag in the content begins reasoning, which is no content; null where it is text. */
  open: string | null;
  close: string;
}

/** Adds text between calls to the content, as long as no call has been read. */
export function keepBeforeCalls(
  result: Extraction,
  finder: TokenFinder,
  start: number,
  end: number,
  think: ThinkTags | null,
): void {
  if (result.calls.length > 0) return;
  const tags = think === null ? [] : think.open === null ? [think.close] : [think.close, think.open];
  let inReasoning = false;
  let at = start;
  for (;;) {
    const found = finder.first(tags, at);
    const inside = found !== null && found.at < end;
    if (!inReasoning) result.keep(at, inside ? found.at : end);
    if (!inside) return;
    inReasoning = found.token === think?.open;
    at = found.at + found.token.length;
    result.cover(found.at, at);
  }
}
