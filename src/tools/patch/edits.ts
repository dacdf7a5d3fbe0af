/** Edits of a text: what stands from `start` to `end` is replaced. Whatever no edit covers comes out as it went in. */

export interface Edit {
  start: number;
  end: number;
  text: string;
}

/** The text with the edits made; they must not overlap. Edits that change nothing are welcome. */
export function applyEdits(text: string, edits: readonly Edit[]): string {
  const parts: string[] = [];
  let at = 0;
  for (const edit of sorted(edits)) {
    if (edit.start < at) throw new RangeError("edits overlap");
    parts.push(text.slice(at, edit.start), edit.text);
    at = edit.end;
  }
  parts.push(text.slice(at));
  return parts.join("");
}

export function sorted(edits: readonly Edit[]): Edit[] {
  return [...edits].sort((a, b) => a.start - b.start || a.end - b.end);
}

/** The line ending in use where `position` lies: that of its line, else of the line before, else of the file's first; LF if there is none. */
export function lineEndingAt(text: string, position: number): "\n" | "\r\n" {
  let at = text.indexOf("\n", position);
  if (at === -1) at = text.lastIndexOf("\n", Math.max(0, position - 1));
  return at > 0 && text[at - 1] === "\r" ? "\r\n" : "\n";
}

/** The text with every line break written that way. */
export function withLineEnding(text: string, ending: "\n" | "\r\n"): string {
  return text.replace(/\r?\n/g, ending);
}
