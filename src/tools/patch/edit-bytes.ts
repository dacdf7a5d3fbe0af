/** The content of one file with a replacement or the hunks of a patch made in it. A pure function of its input: it runs in any thread. */
import { codecsOf } from "../files/text-codec.ts";
import { applyEdits } from "./edits.ts";
import { FileProblem } from "./file-problem.ts";
import { locate, type Strategy } from "./locate.ts";
import { unifiedDiff } from "./unified-diff.ts";
import { placeHunks } from "./v4a-hunks.ts";
import type { FileOperation } from "./v4a-parse.ts";

export type EditRequest =
  | { kind: "replace"; name: string; oldText: string; newText: string; all: boolean }
  | { kind: "update"; operation: Extract<FileOperation, { kind: "update" }> };

export interface EditedBytes {
  bytes: Uint8Array;
  diff: string;
  /** Of a replacement: places, and the reading that found them. */
  count: number;
  strategy: Strategy;
}

/** Throws FileProblem with the reason when it cannot be done. */
export function editBytes(bytes: Uint8Array, request: EditRequest): EditedBytes {
  return request.kind === "replace" ? replaced(bytes, request) : updated(bytes, request.operation);
}

function replaced(
  bytes: Uint8Array,
  { name, oldText, newText, all }: Extract<EditRequest, { kind: "replace" }>,
): EditedBytes {
  let problem: string | null = null;
  for (const codec of codecsOf(bytes)) {
    const old = codec.toForm(oldText);
    const becomes = codec.toForm(newText);
    if (old === null) {
      problem ??= "old_string holds characters that the file's encoding cannot have, so it is not in the file";
      continue;
    }
    const located = locate(codec.text, old, becomes ?? "\0", all);
    if (!located.ok) {
      problem ??= located.error;
      continue;
    }
    if (becomes === null) {
      throw new FileProblem(`The file is ${codec.encoding}, and new_string holds characters that it cannot have`);
    }
    return {
      bytes: codec.encode(applyEdits(codec.text, located.edits)),
      diff: displayed(codec.encoding, unifiedDiff(name, name, codec.text, located.edits)),
      count: located.count,
      strategy: located.strategy,
    };
  }
  throw new FileProblem(problem ?? "old_string is not in the file");
}

function updated(bytes: Uint8Array, operation: Extract<FileOperation, { kind: "update" }>): EditedBytes {
  let problem: string | null = null;
  for (const codec of codecsOf(bytes)) {
    const hunks = operation.hunks.map((hunk) => ({
      ...hunk,
      hints: hunk.hints.map((hint) => codec.toForm(hint)),
      lines: hunk.lines.map((line) => ({ ...line, text: codec.toForm(line.text) })),
    }));
    const fits = (hunk: (typeof hunks)[number]): hunk is (typeof operation.hunks)[number] =>
      hunk.hints.every((hint) => hint !== null) && hunk.lines.every((line) => line.text !== null);
    if (!hunks.every(fits)) {
      problem ??= `the file is ${codec.encoding}, and the patch holds characters that it cannot have`;
      continue;
    }
    const placed = placeHunks(codec.text, hunks);
    if (!placed.ok) {
      problem ??= placed.error;
      continue;
    }
    const diff = unifiedDiff(operation.path, operation.to ?? operation.path, codec.text, placed.edits);
    return {
      bytes: codec.encode(applyEdits(codec.text, placed.edits)),
      diff: displayed(codec.encoding, diff),
      count: placed.edits.length,
      strategy: "exact",
    };
  }
  throw new FileProblem(problem ?? "the hunks do not fit");
}

/** Diffs of strings of bytes are shown in the encoding that the bytes have. */
function displayed(encoding: string, diff: string): string {
  return encoding === "utf-8 with invalid bytes" ? Buffer.from(diff, "latin1").toString("utf8") : diff;
}
