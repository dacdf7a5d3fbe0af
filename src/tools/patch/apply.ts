/** Applies a replacement or a V4A patch to a set of files. Nothing is written here: the file set commits it all, or nothing. */
import { codecsOf } from "../files/text-codec.ts";
import { applyEdits } from "./edits.ts";
import { FileProblem, type FileSet } from "./file-set.ts";
import { locate, type Strategy } from "./locate.ts";
import { unifiedDiff } from "./unified-diff.ts";
import { placeHunks } from "./v4a-hunks.ts";
import type { FileOperation } from "./v4a-parse.ts";

export interface Replaced {
  diff: string;
  count: number;
  strategy: Strategy;
}

/** Replaces text in one file. Throws FileProblem with the reason when it cannot. */
export async function replaceIn(
  files: FileSet,
  path: string,
  name: string,
  { oldText, newText, all }: { oldText: string; newText: string; all: boolean },
): Promise<Replaced> {
  const bytes = await files.read(path);
  if (!bytes) throw new FileProblem(`File not found: ${name}`);
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
    await files.write(path, codec.encode(applyEdits(codec.text, located.edits)));
    return {
      diff: displayed(codec.encoding, unifiedDiff(name, name, codec.text, located.edits)),
      count: located.count,
      strategy: located.strategy,
    };
  }
  throw new FileProblem(problem ?? "old_string is not in the file");
}

/** Diffs of strings of bytes are shown in the encoding that the bytes have. */
function displayed(encoding: string, diff: string): string {
  return encoding === "utf-8 with invalid bytes" ? Buffer.from(diff, "latin1").toString("utf8") : diff;
}

export interface PatchSummary {
  diff: string;
  modified: string[];
  created: string[];
  deleted: string[];
  /** Files whose content was written, by name: resolved path. */
  written: Map<string, string>;
}

/** Applies the operations in their order to the picture of the files. Throws FileProblem with file and reason. */
export async function applyOperations(
  files: FileSet,
  operations: readonly FileOperation[],
  resolve: (path: string) => Promise<string>,
): Promise<PatchSummary> {
  const summary: PatchSummary = { diff: "", modified: [], created: [], deleted: [], written: new Map() };
  for (const operation of operations) {
    try {
      await applyOne(files, operation, resolve, summary);
    } catch (error) {
      if (error instanceof FileProblem) throw new FileProblem(`${operation.path}: ${error.message}`);
      throw error;
    }
  }
  return summary;
}

async function applyOne(
  files: FileSet,
  operation: FileOperation,
  resolve: (path: string) => Promise<string>,
  summary: PatchSummary,
): Promise<void> {
  const path = await resolve(operation.path);
  const bytes = await files.read(path);
  if (operation.kind === "add") {
    if (bytes) throw new FileProblem("the file exists already; use Update File to change it, or Delete File first");
    await files.write(path, Buffer.from(operation.content));
    summary.created.push(operation.path);
    summary.written.set(operation.path, path);
    summary.diff += unifiedDiff(null, operation.path, "", [{ start: 0, end: 0, text: operation.content }]);
    return;
  }
  if (!bytes) throw new FileProblem("file not found");
  switch (operation.kind) {
    case "delete":
      await files.remove(path);
      summary.deleted.push(operation.path);
      summary.written.delete(operation.path);
      summary.diff += `--- a/${operation.path}\n+++ /dev/null\n`;
      return;
    case "move":
      await move(files, path, operation.to, bytes, resolve);
      summary.modified.push(`${operation.path} -> ${operation.to}`);
      summary.diff += `rename from ${operation.path}\nrename to ${operation.to}\n`;
      return;
    case "update": {
      const updated = update(bytes, operation);
      const target = operation.to ?? operation.path;
      if (operation.to === null) await files.write(path, updated.bytes);
      else await move(files, path, operation.to, updated.bytes, resolve);
      summary.modified.push(operation.to === null ? operation.path : `${operation.path} -> ${operation.to}`);
      summary.written.set(target, await resolve(target));
      summary.diff += updated.diff;
    }
  }
}

async function move(
  files: FileSet,
  from: string,
  to: string,
  content: Uint8Array,
  resolve: (path: string) => Promise<string>,
): Promise<void> {
  const target = await resolve(to);
  if (target === from) throw new FileProblem("the target of the move is the file itself");
  if (await files.read(target)) throw new FileProblem(`the target ${to} exists already`);
  await files.write(target, content, await files.modeOf(from));
  await files.remove(from);
}

function update(
  bytes: Uint8Array,
  operation: Extract<FileOperation, { kind: "update" }>,
): { bytes: Uint8Array; diff: string } {
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
    return { bytes: codec.encode(applyEdits(codec.text, placed.edits)), diff: displayed(codec.encoding, diff) };
  }
  throw new FileProblem(problem ?? "the hunks do not fit");
}
