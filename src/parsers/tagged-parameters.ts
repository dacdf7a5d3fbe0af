/**
 * Parameters written as tags around raw text, `<parameter=key>value</parameter>` in several spellings. Nothing inside a
 * value is markup but its own end; a value without an end is closed by the next opening tag, and the last one without
 * an end is unfinished. One pass: every search remembers its answer.
 */
import type { TokenFinder } from "./token-finder.ts";

export interface ParameterSyntax {
  /** Sticky; matches an opening tag up to where its header begins. */
  openPrefix: RegExp;
  /** What stands between the prefix and `>`; null where that is no header. */
  readHeader(header: string): { key: string; attribute: string | null } | null;
  /** Sticky; matches a closing tag. */
  close: RegExp;
}

/** No key is longer; the bound keeps text that is nothing but opening tags cheap. */
const MAX_HEADER = 500;

export interface TaggedParameter {
  key: string;
  /** A second attribute of the tag, such as a type; null without. */
  attribute: string | null;
  value: string;
  start: number;
  end: number;
}

export interface TaggedParameters {
  parameters: TaggedParameter[];
  /** Where the last parameter begins whose value has no end; null if all are complete. */
  unfinished: { key: string; attribute: string | null; start: number; valueStart: number } | null;
  /** Where the reading stopped: at a stop token between values, or at the end that was given. */
  stoppedAt: number;
}

/** The parameters between two positions; a stop token outside a value ends them. */
export function readTaggedParameters(
  finder: TokenFinder,
  start: number,
  end: number,
  syntax: ParameterSyntax,
  stops: readonly string[] = [],
): TaggedParameters {
  const { text } = finder;
  const parameters: TaggedParameter[] = [];
  let open: TaggedParameters["unfinished"] = null;
  const finish = (valueEnd: number, tagEnd: number) => {
    if (open === null) return;
    const { key, attribute, start: from, valueStart } = open;
    parameters.push({ key, attribute, value: text.slice(valueStart, valueEnd), start: from, end: tagEnd });
    open = null;
  };
  let at = finder.next("<", start);
  while (at !== -1 && at < end) {
    if (open === null && stops.some((token) => text.startsWith(token, at)))
      return { parameters, unfinished: null, stoppedAt: at };
    let next = at + 1;
    const closeEnd = matchEnd(syntax.close, text, at);
    if (closeEnd !== -1 && closeEnd <= end) {
      finish(at, closeEnd);
      next = closeEnd;
    } else {
      const prefixEnd = matchEnd(syntax.openPrefix, text, at);
      const headerEnd = prefixEnd === -1 ? -1 : finder.next(">", prefixEnd);
      const readable = headerEnd !== -1 && headerEnd < end && headerEnd - prefixEnd <= MAX_HEADER;
      const header = readable ? syntax.readHeader(text.slice(prefixEnd, headerEnd)) : null;
      if (header !== null) {
        finish(at, at);
        next = headerEnd + 1;
        open = { ...header, start: at, valueStart: next };
      }
    }
    at = finder.next("<", next);
  }
  return { parameters, unfinished: open, stoppedAt: end };
}

function matchEnd(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at;
  return pattern.test(text) ? pattern.lastIndex : -1;
}
