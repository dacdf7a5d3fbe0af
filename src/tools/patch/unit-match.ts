/**
 * Matching by units: `old` is cut into pieces that match themselves (literals) or a class of spellings (a run of blanks, a
 * line break, a quotation mark). The file is searched with one regular expression made of them, whose cost stays linear,
 * and each match knows where every unit lies.
 */
import type { Alignment } from "./alignment.ts";

export interface Unit {
  /** Its text in `old`. */
  source: string;
  /** Regular expression for the file. */
  pattern: string;
}

/** Cuts `old` into units: what `special` matches becomes a unit of the pattern that `patternOf` gives, the rest literals. */
export function unitsOf(old: string, special: RegExp, patternOf: (text: string, at: number) => string): Unit[] {
  const units: Unit[] = [];
  const literal = (text: string) => {
    if (text !== "") units.push({ source: text, pattern: escapeRegExp(text) });
  };
  let at = 0;
  for (const match of old.matchAll(special)) {
    literal(old.slice(at, match.index));
    units.push({ source: match[0], pattern: patternOf(match[0], match.index) });
    at = match.index + match[0].length;
  }
  literal(old.slice(at));
  return units;
}

/** All places of the file that the units match, from left to right, without overlaps. At most `most`. */
export function findUnits(file: string, units: readonly Unit[], most: number): Alignment[] {
  if (!worthwhile(file, units)) return [];
  const whole = new RegExp(units.map(({ pattern }) => `(?:${pattern})`).join(""), "g");
  const found: Alignment[] = [];
  for (const match of file.matchAll(whole)) {
    if (match[0] === "") continue;
    found.push(align(file, units, match.index, match.index + match[0].length));
    if (found.length >= most) break;
  }
  return found;
}

/**
 * Whether every literal is in the file at all, and a search ends soon. A file that repeats the beginning of a long quote
 * very often would make the search slow; nothing is found in it.
 */
function worthwhile(file: string, units: readonly Unit[]): boolean {
  const literals = units.filter(({ source, pattern }) => pattern === escapeRegExp(source)).map(({ source }) => source);
  if ([...new Set(literals)].slice(0, 200).some((literal) => !file.includes(literal))) return false;
  const [first] = literals;
  if (first === undefined) return units.length < 100;
  let starts = 0;
  const mostStarts = MOST_STEPS / units.length;
  for (let at = file.indexOf(first); at !== -1; at = file.indexOf(first, at + 1))
    if (++starts > mostStarts) return false;
  return true;
}

const MOST_STEPS = 4_000_000;

function align(file: string, units: readonly Unit[], start: number, end: number): Alignment {
  let table: { old: number; file: number; literal: boolean; length: number }[] | null = null;
  const build = () => {
    const rows = [];
    let oldAt = 0;
    let fileAt = start;
    for (const { source, pattern } of units) {
      const sticky = new RegExp(pattern, "y");
      sticky.lastIndex = fileAt;
      const length = sticky.exec(file)?.[0].length ?? 0;
      rows.push({
        old: oldAt,
        file: fileAt,
        literal: file.startsWith(source, fileAt) && length === source.length,
        length: source.length,
      });
      oldAt += source.length;
      fileAt += length;
    }
    rows.push({ old: oldAt, file: end, literal: true, length: 0 });
    return rows;
  };
  return {
    start,
    end,
    place(oldOffset) {
      table ??= build();
      const row = table.findLast((entry) => entry.old <= oldOffset);
      if (!row) return null;
      const inside = oldOffset - row.old;
      if (inside === 0) return row.file;
      return row.literal && inside <= row.length ? row.file + inside : null;
    },
  };
}

export function escapeRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\/-]/g, "\\$&");
}
