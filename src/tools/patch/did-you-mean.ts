/** The sections of a file that are most like what was looked for, for the error message; with bounded effort. */
import { linesOf } from "./file-lines.ts";
import { Similarity } from "./similarity.ts";

const MOST_LINES = 20_000;

/** Up to three numbered sections, or "" when nothing is alike. */
export function closestSections(file: string, old: string): string {
  const lines = linesOf(file);
  const quoted = old.split(/\r?\n/);
  const anchor = quoted.findIndex((line) => line.trim() !== "");
  const wanted = quoted[anchor]?.trim() ?? "";
  if (wanted.length < 3) return "";
  const similarity = new Similarity(3000);
  const scored: { line: number; score: number }[] = [];
  for (let line = 0; line < Math.min(lines.count, MOST_LINES); line++) {
    const score = similarity.ratio(wanted, lines.text(line).trim(), 0.6);
    if (score >= 0.6) scored.push({ line, score });
  }
  scored.sort((a, b) => b.score - a.score || a.line - b.line);
  const sections = scored.slice(0, 3).map(({ line }) => {
    const first = Math.max(0, line - anchor);
    const last = Math.min(lines.count - 1, first + Math.min(quoted.length, 10));
    const numbered = [];
    for (let at = first; at <= last; at++)
      numbered.push(`${String(at + 1).padStart(6)}|${lines.text(at).slice(0, 300)}`);
    return numbered.join("\n");
  });
  return sections.length === 0 ? "" : `\n\nDid you mean one of these sections?\n${sections.join("\n---\n")}`;
}
