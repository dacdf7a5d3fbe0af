/** Tools as reward code uses them: without a model in between. */
import { LachesisError } from "../core/index.ts";
import type { Sandbox } from "../sandbox/index.ts";
import { checkArguments } from "./arguments.ts";
import type { Tool, ToolCallContext } from "./contract.ts";
import { type StateHolder, sandboxPlaces } from "./places.ts";

/** Calls a tool with arguments that are values; throws `tool_arguments` when they are not of its schema. */
export async function callToolDirectly(
  tool: Tool,
  args: Record<string, unknown>,
  context: ToolCallContext,
): Promise<string | object> {
  const checked = checkArguments(tool.parameters, args);
  if (!checked.ok) throw new LachesisError("tool_arguments", `${tool.name}: ${checked.error}`);
  return tool.execute(checked.args, context);
}

/** An absolute path: `~` is the sandbox user's home, relative paths start at the sandbox's working directory. */
export async function pathForVerifier(holder: StateHolder, sandbox: Sandbox, path: string): Promise<string> {
  if (path === "" || path.includes("\0"))
    throw new LachesisError("tool_arguments", `Not a path: ${JSON.stringify(path)}`);
  if (path === "~" || path.startsWith("~/")) {
    const { home } = await sandboxPlaces(holder, sandbox);
    return home.replace(/\/+$/, "") + path.slice(1) || "/";
  }
  if (path.startsWith("/")) return path;
  const full = `${sandbox.workdir}/${path}`.replace(/\/(?:\.?\/)+/g, "/");
  return full.replace(/(.)\/\.?$/, "$1");
}
