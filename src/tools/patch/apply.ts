/** Applies a replacement or a V4A patch to a set of files. Nothing is written here: the file set commits it all, or nothing. */
import type { EditedBytes } from "./edit-bytes.ts";
import { edit } from "./edit-thread.ts";
import { FileProblem } from "./file-problem.ts";
import type { FileSet } from "./file-set.ts";
import { unifiedDiff } from "./unified-diff.ts";
import type { FileOperation } from "./v4a-parse.ts";

/** Replaces text in one file. Throws FileProblem with the reason when it cannot. */
export async function replaceIn(
  files: FileSet,
  path: string,
  name: string,
  wanted: { oldText: string; newText: string; all: boolean },
  signal: AbortSignal,
): Promise<EditedBytes> {
  const bytes = await files.read(path);
  if (!bytes) throw new FileProblem(`File not found: ${name}`);
  const edited = await edit(bytes, { kind: "replace", name, ...wanted }, signal);
  await files.write(path, edited.bytes);
  return edited;
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
  signal: AbortSignal,
): Promise<PatchSummary> {
  const summary: PatchSummary = { diff: "", modified: [], created: [], deleted: [], written: new Map() };
  for (const operation of operations) {
    try {
      await applyOne(files, operation, resolve, summary, signal);
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
  signal: AbortSignal,
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
      const updated = await edit(bytes, { kind: "update", operation }, signal);
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
