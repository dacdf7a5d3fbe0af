/** The tools that come with Lachesis. */
import type { Tool } from "./contract.ts";
import { patchTool } from "./files/patch-tool.ts";
import { readFileTool } from "./files/read-file.ts";
import { searchFilesTool } from "./files/search-files.ts";
import { writeFileTool } from "./files/write-file.ts";
import { ToolRegistry } from "./registry.ts";
import { processTool } from "./terminal/process-tool.ts";
import { terminalTool } from "./terminal/terminal-tool.ts";
import { todoTool } from "./todo.ts";

/** All built-in tools. */
export function builtinTools(): Tool[] {
  return [terminalTool, processTool, readFileTool, writeFileTool, patchTool, searchFilesTool, todoTool];
}

/**
 * The built-in tools and an environment's own.
 * @example const registry = defaultRegistry([myTool]);
 */
export function defaultRegistry(own: Iterable<Tool> = []): ToolRegistry {
  return new ToolRegistry(builtinTools()).with(own);
}
