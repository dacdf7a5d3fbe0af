/**
 * From "replace old by new" to the edits of a file whose text is not quite `old`. An alignment says which places of `old`
 * correspond to which places of the file; lines that are the same in old and new are not edited, so what the file has
 * there stays, even where the model quoted it inexactly.
 */
import { diffArrays } from "diff";
import { type Edit, lineEndingAt, withLineEnding } from "./edits.ts";

export interface Alignment {
  start: number;
  end: number;
  /** The file's offset for an offset of `old`, or null when it falls inside something that only matches as a whole. */
  place(oldOffset: number): number | null;
}

/** A change of whole lines: old lines [oldStart, oldEnd) become `lines`. */
export interface LineChange {
  oldStart: number;
  oldEnd: number;
  lines: string[];
}

/** Lines with their line breaks; the last one may have none. */
export function splitLines(text: string): string[] {
  return text === "" ? [] : text.split(/(?<=\n)/);
}

/** What has to change to turn the old lines into the new ones. */
export function lineChanges(oldLines: readonly string[], newLines: readonly string[]): LineChange[] {
  const changes: LineChange[] = [];
  let at = 0;
  let open: LineChange | null = null;
  for (const part of diffArrays([...oldLines], [...newLines], { timeout: 500 }) ?? [
    { removed: true, added: false, value: oldLines, count: oldLines.length },
    { added: true, removed: false, value: newLines, count: newLines.length },
  ]) {
    if (!part.added && !part.removed) {
      at += part.value.length;
      open = null;
      continue;
    }
    if (!open) {
      open = { oldStart: at, oldEnd: at, lines: [] };
      changes.push(open);
    }
    if (part.removed) {
      at += part.value.length;
      open.oldEnd = at;
    } else open.lines.push(...part.value);
  }
  return changes;
}

/** The edits that the change from old to new means at the aligned place. New line breaks are written as the file has them there. */
export function alignedEdits(file: string, oldText: string, newText: string, alignment: Alignment): Edit[] {
  const oldLines = splitLines(oldText);
  const starts = offsets(oldLines);
  return lineChanges(oldLines, splitLines(newText)).map((change) => {
    const was = oldLines.slice(change.oldStart, change.oldEnd).join("");
    const becomes = change.lines.join("");
    const base = starts[change.oldStart]!;
    const { prefix, suffix } = narrowed(was, becomes, base, alignment);
    const start = alignment.place(base + prefix)!;
    const end = alignment.place(base + was.length - suffix)!;
    const text = becomes.slice(prefix, becomes.length - suffix);
    return { start, end, text: withLineEnding(text, lineEndingAt(file, start)) };
  });
}

function offsets(lines: readonly string[]): number[] {
  const result = [0];
  for (const line of lines) result.push(result.at(-1)! + line.length);
  return result;
}

/** How much of the beginning and of the end both have in common, up to places that the alignment knows. */
function narrowed(was: string, becomes: string, base: number, alignment: Alignment) {
  const most = Math.min(was.length, becomes.length);
  let prefix = 0;
  while (prefix < most && was[prefix] === becomes[prefix]) prefix++;
  while (prefix > 0 && !usable(was, prefix, base + prefix, alignment)) prefix--;
  let suffix = 0;
  while (suffix < most - prefix && was[was.length - 1 - suffix] === becomes[becomes.length - 1 - suffix]) suffix++;
  while (suffix > 0 && !usable(was, was.length - suffix, base + was.length - suffix, alignment)) suffix--;
  return { prefix, suffix };
}

/** A place that is known and lies between whole characters and line breaks. */
function usable(text: string, at: number, oldOffset: number, alignment: Alignment): boolean {
  if (at > 0 && at < text.length) {
    if (text[at - 1] === "\r" && text[at] === "\n") return false;
    const code = text.charCodeAt(at);
    if (code >= 0xdc00 && code <= 0xdfff) return false;
  }
  return alignment.place(oldOffset) !== null;
}
