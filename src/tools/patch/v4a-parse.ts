/**
 * Reads a V4A patch: sections that add, update, delete or move a file, updates made of hunks of context, removed and added
 * lines. Blank lines are lines. What cannot be read is an error with its line number; nothing is skipped.
 */

export interface HunkLine {
  kind: " " | "-" | "+";
  text: string;
}

export interface Hunk {
  /** What stood after `@@`, outermost first. */
  hints: string[];
  lines: HunkLine[];
  /** How many of the last lines were blank without the space of a context line; they may belong to the layout. */
  looseEnd: number;
  atEnd: boolean;
  /** Line of the patch where it starts, from 1. */
  at: number;
}

export type FileOperation =
  | { kind: "add"; path: string; content: string }
  | { kind: "delete"; path: string }
  | { kind: "move"; path: string; to: string }
  | { kind: "update"; path: string; to: string | null; hunks: Hunk[] };

export type ParsedPatch = { ok: true; operations: FileOperation[] } | { ok: false; error: string };

const HEADER = /^\*\*\* (Update|Add|Delete|Move) File: (.*)$/;

export function parseV4a(patch: string): ParsedPatch {
  const lines = patch.split("\n").map((line) => line.replace(/\r$/, ""));
  const operations: FileOperation[] = [];
  let at = 0;
  const fail = (message: string): ParsedPatch => ({ ok: false, error: `Patch line ${at + 1}: ${message}` });
  while (at < lines.length) {
    const line = lines[at]!;
    if (/^\*\*\* End Patch\s*$/.test(line)) break;
    if (line.trim() === "" || /^\*\*\* Begin Patch\s*$/.test(line) || /^```/.test(line)) {
      at++;
      continue;
    }
    const header = HEADER.exec(line);
    if (!header) {
      return fail(
        `expected a line such as "*** Update File: PATH" (or Add, Delete, Move), found ${JSON.stringify(line.slice(0, 100))}`,
      );
    }
    const [, kind, rest] = header;
    const path = rest!.trim();
    if (path === "") return fail("the file's path is missing");
    at++;
    if (kind === "Delete") operations.push({ kind: "delete", path });
    else if (kind === "Move") {
      const names = /^(.+?)\s+->\s+(.+)$/.exec(path);
      if (!names) return fail('a move is written "*** Move File: FROM -> TO"');
      operations.push({ kind: "move", path: names[1]!, to: names[2]! });
    } else if (kind === "Add") {
      const content: string[] = [];
      for (; at < lines.length && !isSection(lines[at]!); at++) {
        const added = lines[at]!;
        if (added.startsWith("+")) content.push(added.slice(1));
        else if (added.trim() === "") content.push("");
        else if (!added.startsWith("\\")) return fail('each line of an added file starts with "+"');
      }
      // Blank lines without "+" at the end separate sections.
      for (let last = at - 1; content.length > 0 && lines[last]?.trim() === ""; last--) content.pop();
      operations.push({ kind: "add", path, content: content.map((text) => `${text}\n`).join("") });
    } else {
      const move = /^\*\*\* Move to: (.+)$/.exec(lines[at] ?? "");
      if (move) at++;
      const start = at;
      while (at < lines.length && !isSection(lines[at]!)) at++;
      const hunks = parseHunks(lines, start, at);
      if (hunks.length === 0 && !move) {
        at = start - 1;
        return fail(`the update of ${path} has no hunk`);
      }
      operations.push({ kind: "update", path, to: move ? move[1]!.trim() : null, hunks });
    }
  }
  if (operations.length === 0)
    return { ok: false, error: "The patch names no file (*** Update File:, Add, Delete or Move)" };
  return { ok: true, operations };
}

const isSection = (line: string) => HEADER.test(line) || /^\*\*\* (End|Begin) Patch\s*$/.test(line);

function parseHunks(lines: readonly string[], start: number, end: number): Hunk[] {
  const hunks: Hunk[] = [];
  let hunk: Hunk | null = null;
  const open = (at: number): Hunk => {
    const fresh: Hunk = { hints: [], lines: [], looseEnd: 0, atEnd: false, at: at + 1 };
    hunks.push(fresh);
    return fresh;
  };
  let from = start;
  // Names in the style of a unified diff say nothing new.
  if (/^--- /.test(lines[from] ?? "") && /^\+\+\+ /.test(lines[from + 1] ?? "")) from += 2;
  for (let at = from; at < end; at++) {
    const line = lines[at]!;
    if (line.startsWith("@@")) {
      if (!hunk || hunk.lines.length > 0) hunk = open(at);
      const hint = hintOf(line);
      if (hint !== "") hunk.hints.push(hint);
    } else if (/^\*\*\* End of File\s*$/.test(line)) {
      hunk ??= open(at);
      hunk.atEnd = true;
    } else if (!line.startsWith("\\")) {
      if (!hunk && line.trim() === "") continue;
      hunk ??= open(at);
      const kind = line[0];
      if (kind === " " || kind === "-" || kind === "+") hunk.lines.push({ kind, text: line.slice(1) });
      else hunk.lines.push({ kind: " ", text: line });
      hunk.looseEnd = line === "" ? hunk.looseEnd + 1 : 0;
    }
  }
  return hunks.filter(({ lines: own }) => own.some((line) => line.kind !== " "));
}

/** What an `@@` line points at; the numbers of a unified diff are no hint. */
function hintOf(line: string): string {
  const text = line
    .slice(2)
    .replace(/@@\s*$/, "")
    .trim();
  const numbers = /^-\d+(?:,\d+)? \+\d+(?:,\d+)?(?: @@\s*(.*))?$/.exec(text);
  return numbers ? (numbers[1] ?? "").trim() : text;
}
