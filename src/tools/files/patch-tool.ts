/** The `patch` tool: changes parts of files, by replacing quoted text or by a V4A patch over several files. */
import { z } from "zod";
import { errorMessage } from "../../core/index.ts";
import type { Sandbox } from "../../sandbox/index.ts";
import type { ToolCallContext } from "../contract.ts";
import { defineTool } from "../define-tool.ts";
import { FileProblem } from "../patch/file-problem.ts";
import { FileSet } from "../patch/file-set.ts";
import { resolvePath } from "../terminal/shell.ts";
import { fileFailure } from "./file-errors.ts";
import { lint } from "./lint.ts";

const parameters = z.object({
  mode: z
    .enum(["replace", "patch"])
    .default("replace")
    .describe("replace: path, old_string, new_string. patch: patch."),
  path: z.string().optional().describe("replace: the file."),
  old_string: z.string().optional().describe("replace: the text to find; it must be unique unless replace_all is set."),
  new_string: z.string().optional().describe("replace: the text to put there; may be empty."),
  replace_all: z.boolean().default(false).describe("replace: every place instead of exactly one."),
  patch: z
    .string()
    .optional()
    .describe(
      'patch: sections "*** Update File: PATH" (hunks after @@ lines; lines start with space, - or +), "*** Add File: PATH" (lines ' +
        'start with +), "*** Delete File: PATH", "*** Move File: FROM -> TO", between "*** Begin Patch" and "*** End Patch".',
    ),
});

type Arguments = z.infer<typeof parameters>;

export const patchTool = defineTool({
  name: "patch",
  toolset: "file",
  exclusive: true,
  maxResultChars: 100_000,
  description:
    "Change parts of files. mode=replace finds old_string in path and puts new_string there; small differences in blanks are " +
    "tolerated, doubtful matches are refused. mode=patch applies a V4A patch to one or more files: all of it or nothing. " +
    "Gives a unified diff. Syntax is checked afterwards.",
  parameters,
  execute: async (args, context) => {
    const sandbox = await context.sandbox();
    try {
      return await (args.mode === "replace" ? replace(args, sandbox, context) : patch(args, sandbox, context));
    } catch (error) {
      const message = error instanceof FileProblem ? errorMessage(error) : fileFailure(error, args.path ?? "patch");
      return { success: false, error: message };
    }
  },
});

async function replace(args: Arguments, sandbox: Sandbox, context: ToolCallContext): Promise<object> {
  if (!args.path) return { error: "path required" };
  if (args.old_string === undefined || args.new_string === undefined)
    return { error: "old_string and new_string required" };
  const files = new FileSet(sandbox);
  const full = await resolvePath(context, sandbox, args.path);
  const { replaceIn } = await import("../patch/apply.ts");
  const wanted = { oldText: args.old_string, newText: args.new_string, all: args.replace_all };
  const { diff, count, strategy } = await replaceIn(files, full, args.path, wanted, context.signal);
  await files.commit();
  const written = await files.read(full);
  return {
    success: true,
    diff,
    files_modified: [args.path],
    ...(args.replace_all && { replacements: count }),
    ...(strategy !== "exact" && { matched_by: strategy }),
    lint: await lint(full, written ?? new Uint8Array(), sandbox, context),
  };
}

async function patch(args: Arguments, sandbox: Sandbox, context: ToolCallContext): Promise<object> {
  if (!args.patch) return { error: "patch content required" };
  if (!args.patch.isWellFormed()) return { error: "patch holds half of a surrogate pair, which is no character" };
  const [{ applyOperations }, { parseV4a }] = await Promise.all([
    import("../patch/apply.ts"),
    import("../patch/v4a-parse.ts"),
  ]);
  const parsed = parseV4a(args.patch);
  if (!parsed.ok) return { success: false, error: parsed.error };
  const files = new FileSet(sandbox);
  const resolve = (path: string) => resolvePath(context, sandbox, path);
  const summary = await applyOperations(files, parsed.operations, resolve, context.signal);
  await files.commit();
  const lints: Record<string, object> = {};
  for (const [name, full] of summary.written) {
    const content = await files.read(full);
    if (content) lints[name] = await lint(full, content, sandbox, context);
  }
  return {
    success: true,
    diff: summary.diff,
    ...(summary.modified.length > 0 && { files_modified: summary.modified }),
    ...(summary.created.length > 0 && { files_created: summary.created }),
    ...(summary.deleted.length > 0 && { files_deleted: summary.deleted }),
    lint: lints,
  };
}
