/**
 * What a content search found, counted while its output is read: only what will be shown is kept, and the event loop gets its
 * turn every few thousand lines, however much was found.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import type { SearchLine } from "./search-output.ts";

/** Lines between two turns of the event loop; a few milliseconds. */
const LINES_A_TURN = 2000;

export interface SearchSummary {
  /** Matching lines. */
  matches: number;
  /** The matches from `offset` on, `limit` of them, with the context lines around those. */
  shown: SearchLine[];
  /** Matches by file. */
  perFile: Map<string, number>;
}

export async function summaryOf(
  lines: Iterable<SearchLine>,
  { offset, limit }: { offset: number; limit: number },
): Promise<SearchSummary> {
  const summary: SearchSummary = { matches: 0, shown: [], perFile: new Map() };
  /** Context lines that belong to the next match. */
  let before: SearchLine[] = [];
  let last: SearchLine | null = null;
  let read = 0;
  const isShown = (match: number) => match >= offset && match < offset + limit;
  for (const line of lines) {
    if (++read % LINES_A_TURN === 0) await nextTurn();
    if (line.context) {
      const follows = before.length === 0 && last !== null && last.path === line.path && last.line === line.line - 1;
      if (!follows) before.push(line);
      else {
        last = line;
        if (isShown(summary.matches - 1)) summary.shown.push(line);
      }
      continue;
    }
    if (isShown(summary.matches)) summary.shown.push(...before, line);
    before = [];
    last = line;
    summary.matches++;
    summary.perFile.set(line.path, (summary.perFile.get(line.path) ?? 0) + 1);
  }
  return summary;
}
