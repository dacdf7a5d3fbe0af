/**
 * Finds a page of lines in a file of any size by reading it piece by piece: one pass for where the lines are and how many
 * there are, then only the bytes of the page.
 */
import type { Sandbox } from "../../sandbox/index.ts";
import { display, type Encoding } from "./text-codec.ts";

const PIECE = 4 * 1024 * 1024;
/** Of one line, as far as it is read for display. */
const LINE_BYTES = 256 * 1024;
const PAGE_BYTES = 2 * 1024 * 1024;

export interface PageLine {
  /** The line's beginning, without its line break, as far as it was read. */
  bytes: Uint8Array;
  /** `length` characters from `column` (from 1) on, and whether there are more. */
  show(encoding: Encoding, column: number, length: number): { text: string; more: boolean };
}

export interface LinePage {
  lines: PageLine[];
  totalLines: number;
  /** Of the lines of the page. */
  lineEndings: "lf" | "crlf" | "mixed";
}

export async function linePage(
  sandbox: Sandbox,
  path: string,
  size: number,
  wanted: { first: number; count: number; column: number },
): Promise<LinePage> {
  const { spans, totalLines } = await scan(sandbox, path, size, wanted.first, wanted.count);
  const lines: PageLine[] = [];
  let budget = PAGE_BYTES;
  let crlf = 0;
  let lf = 0;
  for (const span of spans) {
    if (budget <= 0) break;
    const length = span.end - span.start;
    const from =
      wanted.column > 1 && length > LINE_BYTES ? await characterOffset(sandbox, path, span, wanted.column) : 0;
    const bytes = await sandbox.readFile(path, {
      offset: span.start + from,
      length: Math.min(length - from, LINE_BYTES),
    });
    budget -= bytes.length;
    const complete = from + bytes.length >= length;
    const ends = complete && span.ended && bytes.at(-1) === 13;
    if (span.ended) ends ? crlf++ : lf++;
    const line = ends ? bytes.subarray(0, -1) : bytes;
    lines.push({
      bytes: line,
      show: (encoding, column, length) => {
        const text = display(line, encoding);
        const start = from > 0 ? 0 : column - 1;
        const shown = text.slice(start, start + length);
        return { text: shown, more: !complete || start + length < text.length };
      },
    });
  }
  return { lines, totalLines, lineEndings: crlf === 0 ? "lf" : lf === 0 ? "crlf" : "mixed" };
}

interface Span {
  start: number;
  /** Before the line feed. */
  end: number;
  /** False for a last line without line break. */
  ended: boolean;
}

async function scan(sandbox: Sandbox, path: string, size: number, first: number, count: number) {
  const spans: Span[] = [];
  let line = 1;
  let lineStart = 0;
  let at = 0;
  while (at < size) {
    const piece = await sandbox.readFile(path, { offset: at, length: PIECE });
    if (piece.length === 0) break;
    const buffer = Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength);
    for (let feed = buffer.indexOf(10); feed !== -1; feed = buffer.indexOf(10, feed + 1)) {
      if (line >= first && spans.length < count) spans.push({ start: lineStart, end: at + feed, ended: true });
      line++;
      lineStart = at + feed + 1;
    }
    at += piece.length;
  }
  if (lineStart < at) {
    if (line >= first && spans.length < count) spans.push({ start: lineStart, end: at, ended: false });
    line++;
  }
  return { spans, totalLines: line - 1 };
}

/** Where in a very long line the character of that column starts; characters are counted as UTF-8 code points' UTF-16 units. */
async function characterOffset(sandbox: Sandbox, path: string, span: Span, column: number): Promise<number> {
  let units = 1;
  for (let at = span.start; at < span.end; at += PIECE) {
    const piece = await sandbox.readFile(path, { offset: at, length: Math.min(PIECE, span.end - at) });
    for (let index = 0; index < piece.length; index++) {
      const byte = piece[index]!;
      if ((byte & 0xc0) === 0x80) continue;
      if (units >= column) return at + index - span.start;
      units += byte >= 0xf0 ? 2 : 1;
    }
  }
  return span.end - span.start;
}
