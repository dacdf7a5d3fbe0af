/**
 * Finds the next place of a fixed string in a text, remembering the last answer of each string. As long as positions
 * only grow, all searches for one string together read the text once, also where it does not occur at all; that is
 * what keeps the formats linear on text that is nothing but openers.
 */

interface LastSearch {
  from: number;
  /** -1: not found at or after `from`. */
  found: number;
}

export class TokenFinder {
  readonly text: string;
  /** Characters that searches have read, for tests of linearity. */
  work = 0;
  readonly #last = new Map<string, LastSearch>();

  constructor(text: string) {
    this.text = text;
  }

  /** The first place at or after `from`, or -1. */
  next(token: string, from: number): number {
    const last = this.#last.get(token);
    if (last !== undefined && last.from <= from && (last.found === -1 || last.found >= from)) return last.found;
    const found = this.text.indexOf(token, from);
    this.work += (found === -1 ? this.text.length : found) - from + token.length;
    this.#last.set(token, { from, found });
    return found;
  }

  /** As `next`, with the end of the text in place of -1. */
  nextOrEnd(token: string, from: number): number {
    const found = this.next(token, from);
    return found === -1 ? this.text.length : found;
  }

  /** The earliest place of any of the tokens; at one place the longest token wins. */
  first(tokens: readonly string[], from: number): { token: string; at: number } | null {
    let best: { token: string; at: number } | null = null;
    for (const token of tokens) {
      const at = this.next(token, from);
      if (at === -1) continue;
      if (best === null || at < best.at || (at === best.at && token.length > best.token.length)) best = { token, at };
    }
    return best;
  }
}
