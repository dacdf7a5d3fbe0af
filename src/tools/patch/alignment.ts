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

/**
 * What has to change to turn the old lines into the new ones. Equal lines at the start and the end stay; in between lines
 * are compared place by place if that keeps as many as any other way.
 */
export function lineChanges(oldLines: readonly string[], newLines: readonly string[]): LineChange[] {
  const shorter = Math.min(oldLines.length, newLines.length);
  let head = 0;
  while (head < shorter && oldLines[head] === newLines[head]) head++;
  let tail = 0;
  while (tail < shorter - head && oldLines.at(-1 - tail) === newLines.at(-1 - tail)) tail++;
  const old = oldLines.slice(head, oldLines.length - tail);
  const wanted = newLines.slice(head, newLines.length - tail);
  if (old.length === 0 && wanted.length === 0) return [];
  const kept = old.filter((line, index) => line === wanted[index]).length;
  const diff = diffArrays(old, wanted, { timeout: 500 });
  const most = diff ? diff.reduce((sum, part) => sum + (part.added || part.removed ? 0 : part.value.length), 0) : 0;
  if (!diff || (old.length === wanted.length && kept >= most)) {
    if (old.length !== wanted.length) return [{ oldStart: head, oldEnd: head + old.length, lines: wanted }];
    return old.flatMap((line, index) =>
      line === wanted[index] ? [] : [{ oldStart: head + index, oldEnd: head + index + 1, lines: [wanted[index]!] }],
    );
  }
  const changes: LineChange[] = [];
  let at = head;
  let open: LineChange | null = null;
  for (const part of diff) {
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

/**
 * The edits that the changes mean at the aligned place; all lines come with their line breaks. A changed line keeps the
 * line break that the file has there, further lines get that of their surroundings.
 */
export function alignedEdits(
  file: string,
  oldLines: readonly string[],
  changes: readonly LineChange[],
  alignment: Alignment,
): Edit[] {
  const starts = offsets(oldLines);
  return changes.flatMap(inPairs).map(({ oldStart, oldEnd, lines }) => {
    const was = oldLines.slice(oldStart, oldEnd).join("");
    const becomes = lines.join("");
    const base = starts[oldStart]!;
    const { prefix, suffix } = narrowed(was, becomes, base, alignment);
    const start = alignment.place(base + prefix)!;
    const end = alignment.place(base + was.length - suffix)!;
    const text = becomes.slice(prefix, becomes.length - suffix);
    return { start, end, text: withLineEnding(text, lineEndingAt(file, start)) };
  });
}

/** Line against line as far as there are both, then what is left of one of them. */
function inPairs({ oldStart, oldEnd, lines }: LineChange): LineChange[] {
  const both = Math.min(oldEnd - oldStart, lines.length);
  const pairs: LineChange[] = lines
    .slice(0, both)
    .map((line, index) => ({ oldStart: oldStart + index, oldEnd: oldStart + index + 1, lines: [line] }));
  if (both < lines.length || oldStart + both < oldEnd) {
    pairs.push({ oldStart: oldStart + both, oldEnd, lines: lines.slice(both) });
  }
  return pairs;
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
