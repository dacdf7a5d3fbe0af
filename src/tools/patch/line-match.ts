/**
 * Matching of whole lines: the lines of `old` against equally many consecutive lines of the file, each after the same
 * normalisation. When the file's lines are indented otherwise, the difference must be the same everywhere; then the new
 * lines get it too. It is never guessed.
 */
import type { Alignment } from "./alignment.ts";
import type { FileLines } from "./file-lines.ts";

/** A block of file lines that stand for the lines of `old`. */
export interface Block {
  first: number;
  count: number;
}

/** All blocks whose lines equal those of `old` after `normal`; at most `most`. */
export function findBlocks(
  lines: FileLines,
  old: readonly string[],
  normal: (line: string) => string,
  most: number,
): Block[] {
  if (old.length === 0 || old.length > lines.count) return [];
  const normalized = Array.from({ length: lines.count }, (_, line) => normal(lines.text(line)));
  const haystack = `\n${normalized.join("\n")}\n`;
  const needle = `\n${old.map(normal).join("\n")}\n`;
  const starts: number[] = [];
  let at = 1;
  for (const line of normalized) {
    starts.push(at);
    at += line.length + 1;
  }
  const found: Block[] = [];
  for (let hit = haystack.indexOf(needle); hit !== -1; hit = haystack.indexOf(needle, hit + 1)) {
    found.push({ first: indexOf(starts, hit + 1), count: old.length });
    if (found.length >= most) break;
  }
  return found;
}

function indexOf(starts: readonly number[], value: number): number {
  let low = 0;
  let high = starts.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (starts[middle]! < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The alignment of `old` (its lines joined by LF, `ended` says whether the last one has one too) with a block. */
export function blockAlignment(lines: FileLines, old: readonly string[], ended: boolean, block: Block): Alignment {
  const places = new Map<number, number>();
  let at = 0;
  old.forEach((line, index) => {
    places.set(at, lines.start(block.first + index));
    places.set(at + line.length, lines.end(block.first + index));
    if (line.length === 0) places.set(at, lines.start(block.first + index));
    at += line.length + 1;
  });
  const last = block.first + block.count - 1;
  if (ended) places.set(at, lines.next(last));
  return {
    start: lines.start(block.first),
    end: ended ? lines.next(last) : lines.end(last),
    place: (offset) => places.get(offset) ?? null,
  };
}

/** How the file's indentation differs from that of `old`: text to put before, or to take away. */
export type Shift = { add: string } | { remove: string };

/** The one difference in indentation that all lines have, or null when they differ in different ways. */
export function indentationShift(old: readonly string[], file: readonly string[]): Shift | null {
  let shift: Shift | null = null;
  for (let index = 0; index < old.length; index++) {
    const given = indentOf(old[index]!);
    const real = indentOf(file[index] ?? "");
    if (old[index]!.trim() === "") continue;
    const here: Shift | null = real.endsWith(given)
      ? { add: real.slice(0, real.length - given.length) }
      : given.endsWith(real)
        ? { remove: given.slice(0, given.length - real.length) }
        : null;
    if (!here || (shift && JSON.stringify(shift) !== JSON.stringify(here))) return null;
    shift = here;
  }
  return shift ?? { add: "" };
}

const indentOf = (line: string) => /^[ \t]*/.exec(line)![0];

/** The line with the shift made; null when it does not have the indentation that would be taken away. Blank lines stay. */
export function shifted(line: string, shift: Shift): string | null {
  if (line.trim() === "") return line;
  if ("add" in shift) return shift.add + line;
  return line.startsWith(shift.remove) ? line.slice(shift.remove.length) : null;
}
