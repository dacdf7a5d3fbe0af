/**
 * A unified diff made from the edits themselves, so that its cost depends on what changed and not on the size of the file.
 */
import { diffArrays } from "diff";
import { applyEdits, type Edit, sorted } from "./edits.ts";
import { type FileLines, linesOf } from "./file-lines.ts";

const CONTEXT = 3;
const LONGEST = 60_000;

/** The diff of one file; "" when nothing changes. null names mean that the file is new or goes away. */
export function unifiedDiff(
  oldName: string | null,
  newName: string | null,
  before: string,
  edits: readonly Edit[],
): string {
  const lines = linesOf(before);
  const hunks: string[] = [];
  let grown = 0;
  for (const group of groups(sorted(edits.filter((edit) => before.slice(edit.start, edit.end) !== edit.text)), lines)) {
    const from = lines.start(group.first);
    const to = group.last < 0 || lines.count === 0 ? from : lines.next(group.last);
    const was = before.slice(from, to);
    const becomes = applyEdits(
      was,
      group.edits.map(({ start, end, text }) => ({ start: start - from, end: end - from, text })),
    );
    const oldLines = toLines(was);
    const newLines = toLines(becomes);
    const oldStart = oldLines.length === 0 ? group.first : group.first + 1;
    const newStart = newLines.length === 0 ? group.first + grown : group.first + grown + 1;
    hunks.push(`@@ -${oldStart},${oldLines.length} +${newStart},${newLines.length} @@\n${body(oldLines, newLines)}`);
    grown += newLines.length - oldLines.length;
  }
  if (hunks.length === 0) return "";
  const names = `--- ${oldName === null ? "/dev/null" : `a/${oldName}`}\n+++ ${newName === null ? "/dev/null" : `b/${newName}`}\n`;
  const diff = names + hunks.join("");
  return diff.length <= LONGEST
    ? diff
    : `${diff.slice(0, LONGEST)}\n[the diff goes on for ${diff.length - LONGEST} characters]\n`;
}

/** Edits whose surroundings touch, with the lines that they and their context cover. */
function groups(edits: readonly Edit[], lines: FileLines): { first: number; last: number; edits: Edit[] }[] {
  const result: { first: number; last: number; edits: Edit[] }[] = [];
  for (const edit of edits) {
    const touched = lines.at(edit.start);
    const end = edit.end > edit.start ? lines.at(edit.end - 1) : touched;
    // An edit that ends with its line's break, or inserts at a line's start, may join with the next line.
    const first = Math.max(0, touched - CONTEXT);
    const last = Math.min(lines.count - 1, end + CONTEXT);
    const open = result.at(-1);
    if (open && first <= open.last + 1) {
      open.last = Math.max(open.last, last);
      open.edits.push(edit);
    } else result.push({ first, last, edits: [edit] });
  }
  return result;
}

function toLines(text: string): string[] {
  return text === "" ? [] : text.split(/(?<=\n)/);
}

function body(oldLines: string[], newLines: string[]): string {
  const parts = diffArrays(oldLines, newLines, { timeout: 500 });
  const marked = parts
    ? parts.flatMap(({ added, removed, value }) => value.map((line) => `${added ? "+" : removed ? "-" : " "}${line}`))
    : [...oldLines.map((line) => `-${line}`), ...newLines.map((line) => `+${line}`)];
  return marked.map((line) => (line.endsWith("\n") ? line : `${line}\n\\ No newline at end of file\n`)).join("");
}
