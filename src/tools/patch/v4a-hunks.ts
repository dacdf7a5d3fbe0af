/**
 * Places the hunks of an update in a file and gives the edits. Context lines are only looked at: where they differ from
 * the file in blanks, the file's stay. A hunk that fits in several places is an error unless its hint or its place after
 * the hunk before it decides.
 */
import { alignedEdits, type LineChange } from "./alignment.ts";
import { closestSections } from "./did-you-mean.ts";
import { type Edit, lineEndingAt } from "./edits.ts";
import { type FileLines, linesOf } from "./file-lines.ts";
import { blockAlignment, findBlocks, indentationShift, shifted } from "./line-match.ts";
import type { Hunk, HunkLine } from "./v4a-parse.ts";

export type PlacedHunks = { ok: true; edits: Edit[] } | { ok: false; error: string };

/** Lines are compared like this, the strictest first. */
const NORMAL: ((line: string) => string)[] = [
  (line) => line,
  (line) => line.trimEnd(),
  (line) => line.trim(),
  (line) =>
    line
      .trim()
      .replace(/[“”„‟]/g, '"')
      .replace(/[‘’‚‛]/g, "'")
      .replace(/[‐‑‒–—−]/g, "-")
      .replace(/\u00a0/g, " ")
      .replace(/…/g, "..."),
];
const LONGEST_FUZZY_FILE = 4_000_000;

export function placeHunks(file: string, hunks: readonly Hunk[]): PlacedHunks {
  const lines = linesOf(file);
  const edits: Edit[] = [];
  const taken: { first: number; end: number }[] = [];
  let cursor = 0;
  for (const hunk of hunks) {
    const placed = place(file, lines, hunk, cursor, taken);
    if (typeof placed === "string") return { ok: false, error: `The hunk at patch line ${hunk.at}: ${placed}` };
    edits.push(...placed.edits);
    taken.push(placed);
    cursor = placed.end;
  }
  return { ok: true, edits };
}

type Placed = { edits: Edit[]; first: number; end: number };

function place(file: string, lines: FileLines, hunk: Hunk, cursor: number, taken: readonly Span[]): Placed | string {
  const hinted = hunk.hints.length > 0 ? afterHints(file, lines, hunk, cursor) : null;
  if (typeof hinted === "string") return hinted;
  if (hunk.lines.every((line) => line.kind === "+")) return insertion(file, lines, hunk, hinted);
  const variants = [hunk.lines];
  if (hunk.looseEnd > 0) variants.push(hunk.lines.slice(0, -hunk.looseEnd));
  for (const variant of variants) {
    const old = variant.filter((line) => line.kind !== "+").map((line) => line.text);
    if (old.length === 0) continue;
    const first = findPlace(file, lines, old, hunk, hinted ?? cursor, hinted !== null, taken);
    if (typeof first === "string") return first;
    if (first === null) continue;
    const edits = hunkEdits(file, lines, variant, first);
    return typeof edits === "string" ? edits : { edits, first, end: first + old.length };
  }
  const quoted = hunk.lines.filter((line) => line.kind !== "+").map((line) => line.text);
  const where = hinted === null ? "" : ` after ${JSON.stringify(hunk.hints.at(-1))}`;
  return `its context and removed lines are not in the file${where}.${closestSections(file, quoted.join("\n"))}`;
}

/** The edits of a hunk whose context and removed lines start at line `first`, or why they would be a guess. */
function hunkEdits(file: string, lines: FileLines, hunk: readonly HunkLine[], first: number): Edit[] | string {
  const old = hunk.filter((line) => line.kind !== "+").map((line) => line.text);
  const shift = indentationShift(
    old,
    old.map((_, index) => lines.text(first + index)),
  );
  const misfit = `its lines are in the file at line ${first + 1}, but with other indentation that differs from line to line`;
  const changes: LineChange[] = [];
  let at = 0;
  let open: LineChange | null = null;
  for (const { kind, text } of hunk) {
    if (kind === " ") {
      at++;
      open = null;
      continue;
    }
    if (!open) {
      open = { oldStart: at, oldEnd: at, lines: [] };
      changes.push(open);
    }
    if (kind === "-") open.oldEnd = ++at;
    else {
      const moved = text.trim() === "" ? text : shift && shifted(text, shift);
      if (moved === null) return misfit;
      open.lines.push(`${moved}\n`);
    }
  }
  const last = first + old.length - 1;
  const ended = lines.next(last) !== lines.end(last);
  const final = changes.at(-1);
  if (!ended && final?.oldEnd === old.length && final.lines.length > 0) {
    // The file's last line has no line break, and the new last line gets none either.
    final.lines[final.lines.length - 1] = final.lines.at(-1)!.slice(0, -1);
    if (final.oldStart === final.oldEnd) final.lines[0] = `\n${final.lines[0]}`;
  }
  const quoted = old.map((line) => (shift ? (shifted(line, shift) ?? line) : line));
  const oldLines = quoted.map((line, index) => (ended || index < old.length - 1 ? `${line}\n` : line));
  return alignedEdits(file, oldLines, changes, blockAlignment(lines, quoted, ended, { first, count: old.length }));
}

interface Span {
  first: number;
  end: number;
}

/** The first line of the block, null when it is nowhere, or why it cannot be decided. */
function findPlace(
  file: string,
  lines: FileLines,
  old: readonly string[],
  hunk: Hunk,
  cursor: number,
  hinted: boolean,
  taken: readonly Span[],
): number | null | string {
  const free = (first: number) => taken.every((span) => first + old.length <= span.first || first >= span.end);
  for (const normal of file.length > LONGEST_FUZZY_FILE ? NORMAL.slice(0, 2) : NORMAL) {
    const all = findBlocks(lines, old, normal, 1000)
      .map(({ first }) => first)
      .filter(free);
    const atEnd = all.filter((first) => first + old.length === lines.count);
    if (hunk.atEnd && atEnd[0] !== undefined) return atEnd[0];
    const after = all.filter((first) => first >= cursor);
    const candidates = after.length > 0 ? after : hinted ? [] : all;
    if (candidates.length === 0) continue;
    if (candidates.length === 1 || hinted) return candidates[0]!;
    const numbers = candidates.slice(0, 10).map((first) => first + 1);
    return `it fits at lines ${numbers.join(", ")}; add context lines, or a hint after @@ such as the function it is in`;
  }
  return null;
}

/** The line after which the hunk has to be looked for; the hint's own line may be its first. */
function afterHints(file: string, lines: FileLines, hunk: Hunk, cursor: number): number | string {
  let at = cursor;
  for (const [index, hint] of hunk.hints.entries()) {
    const found = hintLine(lines, hint, at) ?? (index === 0 ? hintLine(lines, hint, 0) : null);
    if (found === null) return `its hint ${JSON.stringify(hint)} is not in the file.${closestSections(file, hint)}`;
    at = found;
  }
  return at;
}

function hintLine(lines: FileLines, hint: string, from: number): number | null {
  const wanted = hint.trim();
  for (const fits of [
    (line: string) => line === wanted,
    (line: string) => line.startsWith(wanted),
    (line: string) => line.includes(wanted),
  ]) {
    for (let line = from; line < lines.count; line++) if (fits(lines.text(line).trim())) return line;
  }
  return null;
}

/** Added lines without any context: after the hint's line, else at the end of the file. */
function insertion(file: string, lines: FileLines, hunk: Hunk, hinted: number | null): Placed | string {
  const added = hunk.lines.map((line) => line.text);
  if (hinted === null || hunk.atEnd) {
    const ending = lineEndingAt(file, file.length);
    const gap = file === "" || file.endsWith("\n") ? "" : ending;
    return {
      edits: [{ start: file.length, end: file.length, text: gap + added.map((line) => line + ending).join("") }],
      first: lines.count,
      end: lines.count,
    };
  }
  const hint = hunk.hints.at(-1)!.trim();
  const again = hintLine(lines, hint, hinted + 1);
  if (again !== null && lines.text(again).trim() === lines.text(hinted).trim()) {
    return `its hint ${JSON.stringify(hint)} is in the file more than once (lines ${hinted + 1} and ${again + 1}); add context lines`;
  }
  const start = lines.next(hinted);
  const ending = lineEndingAt(file, lines.start(hinted));
  const text =
    start > 0 && file[start - 1] !== "\n"
      ? added.map((line) => ending + line).join("")
      : added.map((line) => line + ending).join("");
  return { edits: [{ start, end: start, text }], first: hinted + 1, end: hinted + 1 };
}
