/** The `read_file` tool: a page of a text file with line numbers. Only the page is kept in memory, whatever the file's size. */
import { z } from "zod";
import type { FileStat, Sandbox } from "../../sandbox/index.ts";
import { defineTool } from "../define-tool.ts";
import { resolvePath } from "../terminal/shell.ts";
import { fileFailure } from "./file-errors.ts";
import { linePage } from "./line-page.ts";
import { similarNames } from "./similar-names.ts";
import { encodingOf, looksBinary } from "./text-codec.ts";

const MOST_LINES = 2000;
const LONGEST_PAGE = 100_000;
const IMAGE = /\.(png|jpe?g|gif|webp|bmp|ico)$/i;

export const readFileTool = defineTool({
  name: "read_file",
  toolset: "file",
  maxResultChars: Number.POSITIVE_INFINITY,
  description:
    "Read a text file, page by page, with line numbers (NUMBER|text). Lines longer than 2000 characters are cut; " +
    "column shows them from a later character on, and limit=1 shows up to 50000 characters of one line.",
  parameters: z.object({
    path: z.string().describe("The file. Relative paths start at the shell's working directory."),
    offset: z.int().default(1).describe("First line, from 1."),
    limit: z.int().default(500).describe("Number of lines, at most 2000."),
    column: z.int().default(1).describe("First character of each line, from 1."),
  }),
  execute: async ({ path, offset, limit, column }, context) => {
    const sandbox = await context.sandbox();
    const full = await resolvePath(context, sandbox, path);
    try {
      const stat = await sandbox.stat(full);
      if (!stat) {
        return { ...NOTHING, error: `File not found: ${path}`, ...listed(await similarNames(sandbox, full)) };
      }
      if (stat.type === "directory")
        return { ...NOTHING, error: `${path} is a directory; list it with search_files or ls` };
      if (stat.type !== "file")
        return { ...NOTHING, error: `${path} is not a regular file (it may be a device or a pipe)` };
      return await page(sandbox, path, full, stat, {
        first: Math.max(1, offset),
        count: Math.min(MOST_LINES, Math.max(1, limit)),
        column: Math.max(1, column),
      });
    } catch (error) {
      return { ...NOTHING, error: fileFailure(error, path) };
    }
  },
});

const NOTHING = { content: "", total_lines: 0, file_size: 0, truncated: false, is_binary: false, is_image: false };
const listed = (names: string[]) => (names.length > 0 ? { similar_files: names } : {});

async function page(
  sandbox: Sandbox,
  path: string,
  full: string,
  stat: FileStat,
  wanted: { first: number; count: number; column: number },
) {
  const facts = { ...NOTHING, file_size: stat.size };
  const start = await sandbox.readFile(full, { offset: 0, length: 8000 });
  if (IMAGE.test(path) && looksBinary(start)) {
    return { ...facts, is_binary: true, is_image: true, hint: "This is an image; it cannot be shown as text." };
  }
  if (looksBinary(start)) {
    const utf16 = (start[0] === 0xff && start[1] === 0xfe) || (start[0] === 0xfe && start[1] === 0xff);
    const advice = utf16 ? "it is UTF-16 text, which iconv can convert" : "look at it with xxd, file or strings";
    return { ...facts, is_binary: true, error: `${path} is a binary file; ${advice}` };
  }
  const found = await linePage(sandbox, full, stat.size, wanted);
  if (found.totalLines === 0) return { ...facts, hint: "The file is empty." };
  if (wanted.first > found.totalLines) {
    return {
      ...facts,
      total_lines: found.totalLines,
      error: `offset ${wanted.first} is past the end: the file has ${found.totalLines} lines`,
    };
  }
  const encoding = encodingOf(Buffer.concat(found.lines.map((line) => line.bytes)));
  const longest = wanted.count === 1 ? 50_000 : 2000;
  const shown: string[] = [];
  let size = 0;
  let cut = 0;
  for (const [index, line] of found.lines.entries()) {
    const { text, more } = line.show(encoding, wanted.column, longest);
    const numbered = `${String(wanted.first + index).padStart(6)}|${text}${more ? "... [truncated]" : ""}`;
    if (size + numbered.length > LONGEST_PAGE && shown.length > 0) break;
    if (more) cut++;
    size += numbered.length + 1;
    shown.push(numbered);
  }
  const last = wanted.first + shown.length - 1;
  const hints = [
    ...(last < found.totalLines ? [`Showing lines ${wanted.first} to ${last}; go on with offset=${last + 1}.`] : []),
    ...(cut > 0 ? [`${cut} long lines are cut; go on with column=${wanted.column + longest}.`] : []),
  ];
  return {
    ...facts,
    content: shown.join("\n"),
    total_lines: found.totalLines,
    truncated: last < found.totalLines || cut > 0,
    ...(encoding !== "utf-8" && { encoding }),
    ...(found.lineEndings !== "lf" && { line_endings: found.lineEndings }),
    ...(hints.length > 0 && { hint: hints.join(" ") }),
  };
}
