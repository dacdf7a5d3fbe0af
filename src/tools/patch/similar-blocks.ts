/**
 * Blocks of a file that are much like a quoted one, line by line. The number of comparisons is bounded; a search that
 * would need more finds nothing.
 */
import type { FileLines } from "./file-lines.ts";
import type { Block } from "./line-match.ts";
import { Similarity } from "./similarity.ts";

const MOST_COMPARISONS = 20_000;
const MOST_CANDIDATES = 200;

/** block_anchor: first and last line equal, the lines between alike; context_aware: half of the lines nearly equal. */
export function findSimilarBlocks(
  lines: FileLines,
  quoted: readonly string[],
  strategy: "block_anchor" | "context_aware",
): Block[] {
  if (quoted.length < (strategy === "block_anchor" ? 3 : 2) || quoted.length > lines.count) return [];
  const similarity = new Similarity(MOST_COMPARISONS);
  const wanted = quoted.map((line) => line.trim());
  const candidates = (strategy === "block_anchor" ? anchored : withSharedLine)(lines, wanted);
  if (candidates.length > MOST_CANDIDATES) return [];
  const fits = (first: number) => {
    const real = (index: number) => lines.text(first + index).trim();
    if (strategy === "context_aware") {
      const near = wanted.filter((line, index) => similarity.ratio(line, real(index), 0.8) >= 0.8).length;
      return near >= wanted.length / 2;
    }
    const middle = wanted.slice(1, -1);
    const sum = middle.reduce((total, line, index) => total + similarity.ratio(line, real(index + 1)), 0);
    return sum / middle.length >= (candidates.length === 1 ? 0.5 : 0.7);
  };
  return candidates.filter(fits).map((first) => ({ first, count: quoted.length }));
}

function anchored(lines: FileLines, wanted: readonly string[]): number[] {
  const found: number[] = [];
  for (let first = 0; first + wanted.length <= lines.count; first++) {
    if (lines.text(first).trim() !== wanted[0]) continue;
    if (lines.text(first + wanted.length - 1).trim() === wanted.at(-1)) found.push(first);
  }
  return found;
}

/** Places where at least one line that says something is equal. */
function withSharedLine(lines: FileLines, wanted: readonly string[]): number[] {
  const places = new Map<string, number[]>();
  wanted.forEach((line, index) => {
    if (line.length >= 4) places.set(line, [...(places.get(line) ?? []), index]);
  });
  const found = new Set<number>();
  for (let line = 0; line < lines.count && found.size <= MOST_CANDIDATES; line++) {
    for (const index of places.get(lines.text(line).trim()) ?? []) {
      const first = line - index;
      if (first >= 0 && first + wanted.length <= lines.count) found.add(first);
    }
  }
  return [...found].sort((a, b) => a - b);
}
