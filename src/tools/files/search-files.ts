/**
 * The `search_files` tool, over ripgrep where the sandbox has it, else grep and find. The same files are searched either
 * way: regular files outside hidden directories, ignore files play no part. Errors are shown, totals count everything.
 */
import { z } from "zod";
import type { Sandbox } from "../../sandbox/index.ts";
import type { ToolCallContext } from "../contract.ts";
import { defineTool } from "../define-tool.ts";
import { endsRollout } from "../fatal.ts";
import { resolvePath } from "../terminal/shell.ts";
import { bytePattern } from "./byte-pattern.ts";
import { fileFailure } from "./file-errors.ts";
import { parseGrep, parseRipgrep } from "./search-output.ts";
import { CONTENT_SCRIPT, FILES_SCRIPT, withoutBraces } from "./search-scripts.ts";
import { summaryOf } from "./search-summary.ts";
import { similarNames } from "./similar-names.ts";

const TIMEOUT_MS = 60_000;
const MOST_BYTES = 16 * 1024 * 1024;

const parameters = z.object({
  pattern: z
    .string()
    .describe(
      "content: a regular expression (Perl style). files: a glob for the name, such as *.py; with a slash for the path.",
    ),
  target: z.enum(["content", "files"]).default("content").describe("Search in files, or for files."),
  path: z.string().default(".").describe("Directory or file to search."),
  file_glob: z.string().optional().describe("Only files whose name matches this glob."),
  limit: z.int().default(50).describe("Results to show."),
  offset: z.int().default(0).describe("Results to skip."),
  output_mode: z
    .enum(["content", "files_only", "count"])
    .default("content")
    .describe("Matching lines, names of files, or matches per file."),
  context: z.int().default(0).describe("Lines to show around each match."),
});

type Arguments = z.infer<typeof parameters>;

export interface SearchResult {
  /** Matches (content), or files (files_only, count, target files), before offset and limit. */
  total_count: number;
  matches?: { path: string; line: number; content: string; context?: true }[];
  files?: string[];
  counts?: Record<string, number>;
  truncated?: true;
  error?: string;
  _warning?: string;
  _hint?: string;
  similar_files?: string[];
}

export const searchFilesTool = defineTool({
  name: "search_files",
  toolset: "file",
  maxResultChars: 100_000,
  description:
    "Search the content of files with a regular expression, or (target=files) find files by name, newest first. Hidden directories " +
    "and binary files are left out. Results are paged with limit and offset; total_count counts all.",
  parameters,
  execute: async (args, context) => {
    const sandbox = await context.sandbox();
    return search(args, sandbox, context);
  },
});

async function search(args: Arguments, sandbox: Sandbox, context: ToolCallContext): Promise<SearchResult> {
  if (args.pattern === "") return { total_count: 0, error: "pattern is empty" };
  if (args.pattern.includes("\0")) return { total_count: 0, error: "pattern holds a NUL character" };
  const root = await resolvePath(context, sandbox, args.path);
  try {
    const stat = await sandbox.stat(root);
    if (!stat) {
      const similar = await similarNames(sandbox, root);
      return {
        total_count: 0,
        error: `Path not found: ${args.path}`,
        ...(similar.length > 0 && { similar_files: similar }),
      };
    }
    const page = {
      ...args,
      limit: Math.max(1, args.limit),
      offset: Math.max(0, args.offset),
      context: clamp(args.context),
    };
    const directory = stat.type === "directory";
    return page.target === "files"
      ? await findFiles(page, root, directory, sandbox, context)
      : await searchContent(page, root, directory, sandbox, context);
  } catch (error) {
    if (endsRollout(error)) throw error;
    return { total_count: 0, error: fileFailure(error, args.path) };
  }
}

const clamp = (lines: number) => Math.max(0, Math.min(100, lines));

const globs = (glob: string | undefined) => (glob ? withoutBraces(glob) : []);

/** Names in results start with the path as the model gave it. */
function named(args: Arguments, directory: boolean) {
  const base = args.path.replace(/\/+$/, "");
  return (name: string) => {
    if (!directory) return args.path;
    const relative = name.replace(/^\.\//, "");
    return base === "." || base === ""
      ? args.path.startsWith("/")
        ? `/${relative}`
        : relative
      : `${base}/${relative}`;
  };
}

async function run(
  script: string,
  argv: string[],
  root: string,
  directory: boolean,
  sandbox: Sandbox,
  context: ToolCallContext,
) {
  const [cwd, operand] = directory
    ? [root, ""]
    : [root.slice(0, root.lastIndexOf("/")) || "/", `./${root.slice(root.lastIndexOf("/") + 1)}`];
  const result = await sandbox.exec(["bash", "-c", script, "bash", operand, ...argv], {
    cwd,
    timeoutMs: TIMEOUT_MS,
    maxBytes: MOST_BYTES,
    signal: context.signal,
    encoding: "buffer",
  });
  context.signal.throwIfAborted();
  return { ...result, stderr: Buffer.from(result.stderr).toString("utf8").trim().split("\n").slice(0, 5).join("\n") };
}

async function searchContent(
  args: Arguments,
  root: string,
  directory: boolean,
  sandbox: Sandbox,
  context: ToolCallContext,
): Promise<SearchResult> {
  const around = args.output_mode === "content" ? String(args.context) : "0";
  const result = await run(
    CONTENT_SCRIPT,
    [args.pattern, bytePattern(args.pattern), around, ...globs(args.file_glob)],
    root,
    directory,
    sandbox,
    context,
  );
  const output = Buffer.from(result.stdout);
  const found = await summaryOf(output[0] === 123 ? parseRipgrep(output) : parseGrep(output), args);
  const failed = result.exitCode !== 0 && result.exitCode !== 1;
  if (failed && found.matches === 0) {
    return {
      total_count: 0,
      error: result.timedOut
        ? `The search took longer than ${TIMEOUT_MS / 1000}s`
        : result.stderr || "The search failed",
    };
  }
  const name = named(args, directory);
  const facts = warnings(result, args.output_mode === "content" ? "matches" : "files");
  if (args.output_mode === "content") {
    return {
      total_count: found.matches,
      matches: found.shown.map((line) => ({
        path: name(line.path),
        line: line.line,
        content: line.text.length > 500 ? `${line.text.slice(0, 500)}... [truncated]` : line.text,
        ...(line.context && { context: true as const }),
      })),
      ...facts,
      ...more(found.matches, args),
    };
  }
  const perFile = new Map([...found.perFile].map(([path, count]) => [name(path), count]));
  const files = [...perFile.keys()].sort();
  const page = files.slice(args.offset, args.offset + args.limit);
  return args.output_mode === "count"
    ? {
        total_count: found.matches,
        counts: Object.fromEntries(page.map((file) => [file, perFile.get(file) ?? 0])),
        ...facts,
        ...more(files.length, args),
      }
    : { total_count: files.length, files: page, ...facts, ...more(files.length, args) };
}

function warnings(
  result: { truncated: boolean; timedOut: boolean; stderr: string; exitCode: number | null },
  what: string,
) {
  const problems = [
    ...(result.truncated ? [`There are more ${what} than could be read; total_count is a lower bound.`] : []),
    ...(result.timedOut ? [`The search was ended after ${TIMEOUT_MS / 1000}s; total_count is a lower bound.`] : []),
    ...(result.exitCode === 2 && result.stderr !== "" ? [result.stderr] : []),
  ];
  return problems.length > 0 ? { _warning: problems.join("\n") } : {};
}

function more(total: number, { offset, limit }: Arguments) {
  if (offset + limit >= total) return {};
  return {
    truncated: true as const,
    _hint: `Showing ${offset + 1} to ${offset + limit} of ${total}; go on with offset=${offset + limit}.`,
  };
}

async function findFiles(
  args: Arguments,
  root: string,
  directory: boolean,
  sandbox: Sandbox,
  context: ToolCallContext,
): Promise<SearchResult> {
  const { pattern } = args;
  const names = withoutBraces(pattern.includes("/") || pattern.startsWith("*") ? pattern : `*${pattern}`);
  const result = await run(
    FILES_SCRIPT,
    [String(names.length), ...names, ...globs(args.file_glob)],
    root,
    directory,
    sandbox,
    context,
  );
  const entries = Buffer.from(result.stdout).toString("utf8").split("\0");
  entries.pop(); // what follows the last NUL is empty, or an entry that was cut
  if (entries.length === 0 && result.stderr !== "") return { total_count: 0, error: result.stderr };
  const name = named(args, directory);
  const files = entries
    .map((entry) => ({
      time: Number(entry.slice(0, entry.indexOf(" "))),
      path: name(entry.slice(entry.indexOf(" ") + 1)),
    }))
    .sort((a, b) => b.time - a.time || (a.path < b.path ? -1 : 1))
    .map(({ path }) => path);
  return {
    total_count: files.length,
    files: files.slice(args.offset, args.offset + args.limit),
    ...warnings({ ...result, exitCode: result.stderr === "" ? 0 : 2 }, "files"),
    ...more(files.length, args),
  };
}
