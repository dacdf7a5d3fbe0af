/** The `write_file` tool: the whole content of a file, in one step. */
import { z } from "zod";
import { defineTool } from "../define-tool.ts";
import { resolvePath } from "../terminal/shell.ts";
import { fileFailure } from "./file-errors.ts";
import { lint } from "./lint.ts";

export const writeFileTool = defineTool({
  name: "write_file",
  toolset: "file",
  exclusive: true,
  maxResultChars: 100_000,
  description:
    "Write a file: its whole content is replaced, missing directories are made. To change part of a file use patch. " +
    "The syntax of .py, .json, .yaml and .toml files is checked afterwards.",
  parameters: z.object({
    path: z.string().describe("The file. Relative paths start at the shell's working directory."),
    content: z.string().describe("The whole content, as UTF-8."),
  }),
  execute: async ({ path, content }, context) => {
    if (!content.isWellFormed()) return { error: "content holds half of a surrogate pair, which is no character" };
    const sandbox = await context.sandbox();
    const full = await resolvePath(context, sandbox, path);
    const bytes = Buffer.from(content);
    try {
      const parent = full.slice(0, full.lastIndexOf("/")) || "/";
      const dirsCreated = (await sandbox.stat(parent)) === null;
      if ((await sandbox.stat(full))?.type === "directory")
        return { bytes_written: 0, error: `${path}: Is a directory` };
      await sandbox.writeFile(full, bytes);
      return {
        bytes_written: bytes.length,
        dirs_created: dirsCreated,
        lint: await lint(full, bytes, sandbox, context),
      };
    } catch (error) {
      return { bytes_written: 0, error: `Failed to write: ${fileFailure(error, path)}` };
    }
  },
});
