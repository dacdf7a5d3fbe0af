/**
 * A text on its way to the model, cut into pieces. Pre-tokenizers only ever cut pieces and rewrite them; the order and,
 * apart from removed separators, the text are kept.
 */

export interface Piece {
  text: string;
  /** Whether the piece begins where the whole input began; a Metaspace of scheme "first" asks. */
  first: boolean;
}

export type SplitBehavior = "Removed" | "Isolated" | "MergedWithPrevious" | "MergedWithNext" | "Contiguous";

/** A stretch `[start, end)` and whether the pattern matched there. */
type Stretch = [start: number, end: number, matched: boolean];

/** Stretches that cover the text, matches of the pattern and what lies between them. */
export function stretches(text: string, pattern: RegExp, invert = false): Stretch[] {
  const found: Stretch[] = [];
  let last = 0;
  pattern.lastIndex = 0;
  for (let match = pattern.exec(text); match !== null; match = pattern.exec(text)) {
    const start = match.index;
    const end = start + match[0].length;
    if (insideCharacter(text, start)) {
      // JavaScript finds empty matches between surrogates where the pattern looks behind.
      pattern.lastIndex = start + 1;
      continue;
    }
    if (start > last) found.push([last, start, invert]);
    if (end > start) found.push([start, end, !invert]);
    else pattern.lastIndex = start + ((text.codePointAt(start) ?? 0) > 0xffff ? 2 : 1);
    last = Math.max(last, end);
  }
  if (last < text.length) found.push([last, text.length, invert]);
  return found;
}

const insideCharacter = (text: string, at: number): boolean =>
  at > 0 && (text.charCodeAt(at) & 0xfc00) === 0xdc00 && (text.charCodeAt(at - 1) & 0xfc00) === 0xd800;

/** Cuts one piece at the stretches, as the behaviour says. */
export function splitPiece(piece: Piece, found: Stretch[], behavior: SplitBehavior): Piece[] {
  const cuts = merged(found, behavior);
  if (cuts.length === 1 && cuts[0]![0] === 0 && cuts[0]![1] === piece.text.length) return [piece];
  return cuts.map(([start, end]) => ({ text: piece.text.slice(start, end), first: piece.first && start === 0 }));
}

function merged(found: Stretch[], behavior: SplitBehavior): Stretch[] {
  switch (behavior) {
    case "Isolated":
      return found;
    case "Removed":
      return found.filter(([, , matched]) => !matched);
    case "Contiguous": {
      const result: Stretch[] = [];
      for (const stretch of found) {
        const last = result.at(-1);
        if (last !== undefined && last[2] === stretch[2]) last[1] = stretch[1];
        else result.push([...stretch]);
      }
      return result;
    }
    case "MergedWithPrevious": {
      const result: Stretch[] = [];
      let before = false;
      for (const stretch of found) {
        const last = result.at(-1);
        if (stretch[2] && !before && last !== undefined) last[1] = stretch[1];
        else result.push([...stretch]);
        before = stretch[2];
      }
      return result;
    }
    case "MergedWithNext": {
      const result: Stretch[] = [];
      let after = false;
      for (const stretch of found.toReversed()) {
        const last = result.at(-1);
        if (stretch[2] && !after && last !== undefined) last[0] = stretch[0];
        else result.push([...stretch]);
        after = stretch[2];
      }
      return result.reverse();
    }
  }
}
