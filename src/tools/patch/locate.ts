/**
 * Finds where "replace old by new" applies, from the strictest reading to the loosest, and gives the edits. A reading that
 * fits in more than one place ends the search with an error; so does one that fits but would need a guess (irregular
 * indentation, edited lines that are not in the file as quoted). Loose readings only decide where; what they edit must be
 * in the file as quoted, blanks aside.
 */
import { type Alignment, alignedEdits, lineChanges, splitLines } from "./alignment.ts";
import { closestSections } from "./did-you-mean.ts";
import { type Edit, lineEndingAt, withLineEnding } from "./edits.ts";
import { type FileLines, linesOf } from "./file-lines.ts";
import { type Block, blockAlignment, findBlocks, indentationShift, shifted } from "./line-match.ts";
import { findSimilarBlocks } from "./similar-blocks.ts";
import { findUnits, unitsOf } from "./unit-match.ts";

export const STRATEGIES = [
  "exact",
  "line_endings",
  "trimmed_boundary",
  "indentation_flexible",
  "line_trimmed",
  "whitespace_normalized",
  "escape_normalized",
  "unicode_normalized",
  "block_anchor",
  "context_aware",
] as const;
export type Strategy = (typeof STRATEGIES)[number];

export type Located = { ok: true; edits: Edit[]; count: number; strategy: Strategy } | { ok: false; error: string };

/** Longer files are only searched exactly (line endings and escapes aside), so that a search always ends soon. */
const LONGEST_FUZZY_FILE = 4_000_000;
const LONGEST_FUZZY_OLD = 200_000;
/** Places of an exact quote, and of one in a looser reading; more are refused, never left out in silence. */
const MOST_EXACT_MATCHES = 10_000_000;
const MOST_MATCHES = 100_000;

const no = (error: string): Located => ({ ok: false, error });

/** The edits that replace `old` by `new` in the file: once, or everywhere with `all`. */
export function locate(file: string, old: string, becomes: string, all: boolean): Located {
  if (old === "") return no("old_string is empty; to create a file or replace all of it use write_file");
  if (old === becomes) return no("old_string and new_string are identical; there is nothing to change");
  const exact = locateExactly(file, old, becomes, all, "exact");
  if (exact) return exact;

  const endings = old.includes("\n") ? unitsOf(old, /\r?\n/g, () => "\\r?\\n") : null;
  if (endings) {
    const found = findUnits(file, endings, MOST_MATCHES);
    if (found.length > 0) return fromAlignments(file, old, becomes, found, all, "line_endings");
  }
  const fuzzy = file.length <= LONGEST_FUZZY_FILE && old.length <= LONGEST_FUZZY_OLD && old.trim() !== "";
  const attempts = fuzzy ? [locateLines, locateBlanks, locateEscaped, locateUnicode, locateSimilar] : [locateEscaped];
  for (const attempt of attempts) {
    const located = attempt(file, old, becomes, all);
    if (located) return guarded(located, file, old, becomes);
  }
  const hint = fuzzy ? closestSections(file, old) : "";
  return no(`Could not find old_string in the file. Read the file again and quote it exactly.${hint}`);
}

/** A model that escapes quotes which are not escaped in the file would write its backslashes into it. */
function guarded(located: Located, file: string, old: string, becomes: string): Located {
  if (!located.ok) return located;
  const drift = [`\\'`, `\\"`].some(
    (mark) =>
      old.includes(mark) &&
      becomes.includes(mark) &&
      !located.edits.some((edit) =>
        file.slice(Math.max(0, edit.start - old.length), edit.end + old.length).includes(mark),
      ),
  );
  return drift
    ? no(
        "old_string and new_string hold escaped quotes, but the file has no backslash there; write the quotes without it",
      )
    : located;
}

function ambiguous(count: number, places: number[], lines: FileLines): Located {
  const numbers = places.slice(0, 10).map((place) => lines.at(place) + 1);
  const where = `line${numbers.length > 1 ? "s" : ""} ${numbers.join(", ")}${count > numbers.length ? ", …" : ""}`;
  return no(
    `Found ${count} matches for old_string (${where}). Quote more of the surrounding text to make it unique, or set replace_all.`,
  );
}

function tooMany(count: number): Located {
  return no(`old_string is in ${count} places or more, too many for one edit; use sed in the terminal.`);
}

function locateExactly(file: string, old: string, becomes: string, all: boolean, strategy: Strategy): Located | null {
  const places: number[] = [];
  // Without replace_all overlapping places count: each of them could be meant.
  const step = all ? old.length : 1;
  for (let at = file.indexOf(old); at !== -1 && places.length < MOST_EXACT_MATCHES; ) {
    // A line break is not taken apart: text that starts with LF does not start inside CRLF.
    const inside = old[0] === "\n" && file[at - 1] === "\r";
    if (!inside) places.push(at);
    at = file.indexOf(old, at + (inside ? 1 : step));
  }
  if (places.length === 0) return null;
  if (places.length > 1 && !all) return ambiguous(places.length, places, linesOf(file));
  if (places.length >= MOST_EXACT_MATCHES) return tooMany(places.length);
  const asGiven = old.includes("\r") || becomes.includes("\r") || !becomes.includes("\n");
  const edits = places.map((start) => ({
    start,
    end: start + old.length,
    text: asGiven ? becomes : withLineEnding(becomes, old.includes("\n") ? "\n" : lineEndingAt(file, start)),
  }));
  return { ok: true, edits, count: edits.length, strategy };
}

function fromAlignments(
  file: string,
  old: string,
  becomes: string,
  found: readonly Alignment[],
  all: boolean,
  strategy: Strategy,
): Located {
  if (found.length > 1 && !all)
    return ambiguous(
      found.length,
      found.map(({ start }) => start),
      linesOf(file),
    );
  if (found.length >= MOST_MATCHES) return tooMany(found.length);
  const oldLines = splitLines(old);
  const changes = lineChanges(oldLines, splitLines(becomes));
  return {
    ok: true,
    edits: found.flatMap((alignment) => alignedEdits(file, oldLines, changes, alignment)),
    count: found.length,
    strategy,
  };
}

/** Whole lines with other blanks at their ends, the strictest kind that fits. */
function locateLines(file: string, old: string, becomes: string, all: boolean): Located | null {
  const lines = linesOf(file);
  const quoted = quotedLines(old);
  const blocks = findBlocks(lines, quoted, (line) => line.trim(), MOST_MATCHES);
  if (blocks.length === 0) return null;
  const last = quoted.length - 1;
  const kinds: [Strategy, (line: string, real: string, index: number) => boolean][] = [
    ["trimmed_boundary", (line, real, index) => index === 0 || index === last || line === real],
    ["indentation_flexible", (line, real) => line.trimStart() === real.trimStart()],
    ["line_trimmed", () => true],
  ];
  for (const [strategy, fits] of kinds) {
    const fitting = blocks.filter((block) =>
      quoted.every((line, index) => fits(line, lines.text(block.first + index), index)),
    );
    if (fitting.length > 0) return fromBlocks(file, lines, old, becomes, fitting, all, strategy);
  }
  return null;
}

/** The lines of `old`, without line breaks; a final line break starts no further line. */
function quotedLines(old: string): string[] {
  const lines = old.split(/\r?\n/);
  if (lines.length > 1 && lines.at(-1) === "") lines.pop();
  return lines;
}

function fromBlocks(
  file: string,
  lines: FileLines,
  old: string,
  becomes: string,
  blocks: readonly Block[],
  all: boolean,
  strategy: Strategy,
): Located {
  if (blocks.length > 1 && !all) {
    return ambiguous(
      blocks.length,
      blocks.map(({ first }) => lines.start(first)),
      lines,
    );
  }
  if (blocks.length >= MOST_MATCHES) return tooMany(blocks.length);
  const edits: Edit[] = [];
  let end = -1;
  let count = 0;
  for (const block of blocks) {
    if (block.first < end) continue; // overlaps the one before it
    const made = blockEdits(file, lines, old, becomes, block);
    if (typeof made === "string") return no(made);
    edits.push(...made);
    end = block.first + block.count;
    count++;
  }
  return { ok: true, edits, count, strategy };
}

/** The edits of one block, or why they would be a guess. */
function blockEdits(file: string, lines: FileLines, old: string, becomes: string, block: Block): Edit[] | string {
  const quoted = quotedLines(old);
  const real = quoted.map((_, index) => lines.text(block.first + index));
  const wanted = becomes === "" ? [] : quotedLines(becomes);
  const oldEnds = old.endsWith("\n");
  // Without a final line break in the file there is none to match, and none is added.
  const unended = lines.next(block.first + block.count - 1) === lines.end(block.first + block.count - 1);
  const ended = oldEnds && !unended;
  const extra = !oldEnds && becomes.endsWith("\n") && wanted.length > 0 ? [""] : [];
  if (!oldEnds && becomes === "") wanted.push("");
  wanted.push(...extra);

  const shift = indentationShift(quoted, real);
  const changes = lineChanges(quoted, wanted);
  const inserts = changes.some((change) => change.lines.some((line) => line.trim() !== ""));
  const misfit = `The lines are in the file at line ${block.first + 1}, but with other indentation that differs from line to line; quote them with the file's own indentation.`;
  if (!shift && inserts) return misfit;
  const move = (line: string) => (shift ? shifted(line, shift) : line);
  const moved = wanted.map(move);
  if (inserts && moved.includes(null)) return misfit;
  const oldLines = quoted.map((line) => move(line) ?? line);
  const newLines = moved.map((line, index) => line ?? wanted[index]!);
  const tail = ended ? "\n" : "";
  const newText = newLines.length === 0 ? "" : newLines.join("\n") + tail;
  const oldWhole = splitLines(oldLines.join("\n") + tail);
  return alignedEdits(
    file,
    oldWhole,
    lineChanges(oldWhole, splitLines(newText)),
    blockAlignment(lines, oldLines, ended, block),
  );
}

/** Other blanks between words. */
function locateBlanks(file: string, old: string, becomes: string, all: boolean): Located | null {
  const units = unitsOf(old, /[ \t]*\r?\n|[ \t]+/g, (text, at) => {
    const first = at === 0 ? "(?<![ \\t])" : "";
    return text.endsWith("\n") ? `${first}[ \\t]*\\r?\\n` : `${first}[ \\t]+`;
  });
  if (!/[ \t]/.test(old)) return null;
  const found = findUnits(file, units, MOST_MATCHES);
  if (found.length === 0) return null;
  const located = fromAlignments(file, old, becomes, found, all, "whitespace_normalized");
  if (!located.ok) return located;
  const indented = /(?:^|\n)[ \t]+(?=\S)/;
  const otherwise = found.some(({ start, end }) => indentsOf(old) !== indentsOf(file.slice(start, end)));
  if (otherwise && located.edits.some((edit) => startsLine(file, edit) && indented.test(edit.text))) {
    return no(
      "The text is in the file with other indentation (tabs or spaces); quote it with the file's own indentation.",
    );
  }
  return located;
}

const indentsOf = (text: string) => JSON.stringify(text.match(/(?:^|\n)[ \t]+(?=\S)/g));
const startsLine = (file: string, { start, text }: Edit) =>
  text.includes("\n") || start === 0 || file[start - 1] === "\n";

/** `\n`, `\t`, `\r` written as two characters each. */
function locateEscaped(file: string, old: string, becomes: string, all: boolean): Located | null {
  const meant = unescaped(old);
  if (meant === old) return null;
  const located =
    locateExactly(file, meant, unescaped(becomes), all, "escape_normalized") ??
    fromEndings(file, meant, unescaped(becomes), all);
  if (!located?.ok) return located;
  if (becomes.includes("\n") && unescaped(becomes) !== becomes) {
    return no(
      "old_string writes line breaks as \\n, and new_string holds both \\n and real line breaks; use real ones in both",
    );
  }
  return located;
}

function fromEndings(file: string, old: string, becomes: string, all: boolean): Located | null {
  if (!old.includes("\n")) return null;
  const found = findUnits(
    file,
    unitsOf(old, /\r?\n/g, () => "\\r?\\n"),
    MOST_MATCHES,
  );
  return found.length === 0 ? null : fromAlignments(file, old, becomes, found, all, "escape_normalized");
}

const unescaped = (text: string) => text.replaceAll("\\n", "\n").replaceAll("\\t", "\t").replaceAll("\\r", "\r");

/** Typographic marks for plain ones, or the other way round. */
function locateUnicode(file: string, old: string, becomes: string, all: boolean): Located | null {
  const special = /\r?\n|\.\.\.|[…"“”„‟'‘’‚‛\-‐‑‒–—−\u0020\u00a0]/g;
  const units = unitsOf(old, special, (text) => {
    if (text.endsWith("\n")) return "\\r?\\n";
    if (text === "..." || text === "…") return "(?:\\.\\.\\.|…)";
    if (/["“”„‟]/.test(text)) return '["“”„‟]';
    if (/['‘’‚‛]/.test(text)) return "['‘’‚‛]";
    if (/[ \u00a0]/.test(text)) return "[ \\u00a0]";
    return "[\\-‐‑‒–—−]";
  });
  const found = findUnits(file, units, MOST_MATCHES);
  return found.length === 0 ? null : fromAlignments(file, old, becomes, found, all, "unicode_normalized");
}

/** Blocks that are much like the quoted one; only lines that are quoted exactly are edited. */
function locateSimilar(file: string, old: string, becomes: string): Located | null {
  const lines = linesOf(file);
  const quoted = quotedLines(old);
  for (const strategy of ["block_anchor", "context_aware"] as const) {
    const blocks = findSimilarBlocks(lines, quoted, strategy);
    if (blocks.length === 0) continue;
    if (blocks.length > 1)
      return ambiguous(
        blocks.length,
        blocks.map(({ first }) => lines.start(first)),
        lines,
      );
    const block = blocks[0]!;
    const unlike = editedLines(quoted, quotedLines(becomes)).find(
      (index) => quoted[index]!.trim() !== lines.text(block.first + index).trim(),
    );
    if (unlike !== undefined) {
      return no(
        `old_string is much like the text at line ${block.first + 1}, but line ${block.first + unlike + 1}, which the change touches, reads ` +
          `${JSON.stringify(lines.text(block.first + unlike).slice(0, 200))}. Quote the file exactly.`,
      );
    }
    return fromBlocks(file, lines, old, becomes, blocks, false, strategy);
  }
  return null;
}

/** The old lines that the change replaces, or between which it inserts. */
function editedLines(old: readonly string[], wanted: readonly string[]): number[] {
  return lineChanges(old, wanted).flatMap(({ oldStart, oldEnd }) => {
    if (oldStart < oldEnd) return Array.from({ length: oldEnd - oldStart }, (_, index) => oldStart + index);
    return [oldStart - 1, oldStart].filter((index) => index >= 0 && index < old.length);
  });
}
