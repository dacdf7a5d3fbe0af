/**
 * The tools that exist for one environment: the built-in ones and its own. A registry is a plain value; there is no
 * process-wide table, so two environments in one process never see each other's tools.
 */
import { LachesisError, nearestName } from "../core/index.ts";
import type { Tool } from "./contract.ts";

/** @example const registry = new ToolRegistry(builtinTools()).with([myTool]); */
export class ToolRegistry {
  readonly #tools: ReadonlyMap<string, Tool>;

  /** Throws `conflict` when two tools have the same name. */
  constructor(tools: Iterable<Tool> = []) {
    const byName = new Map<string, Tool>();
    for (const tool of tools) {
      const known = byName.get(tool.name);
      if (known && known !== tool) {
        throw new LachesisError(
          "conflict",
          `Two tools are called '${tool.name}' (toolsets '${known.toolset}' and '${tool.toolset}'); rename one of them.`,
        );
      }
      byName.set(tool.name, tool);
    }
    this.#tools = byName;
  }

  /** A registry with further tools; this one stays as it is. */
  with(tools: Iterable<Tool>): ToolRegistry {
    return new ToolRegistry([...this.#tools.values(), ...tools]);
  }

  /** All tools, sorted by name. */
  get tools(): Tool[] {
    return [...this.#tools.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  has(name: string): boolean {
    return this.#tools.has(name);
  }

  /** The tool of that name. Throws `not_found` with the nearest name. */
  get(name: string): Tool {
    const tool = this.#tools.get(name);
    if (tool) return tool;
    const near = nearestName(name, this.#tools.keys());
    throw new LachesisError("not_found", `There is no tool '${name}'${near ? `; did you mean '${near}'?` : "."}`);
  }

  /** Names of the tools that say themselves that they belong to the toolset. */
  namesIn(toolset: string): string[] {
    return this.tools.filter((tool) => tool.toolset === toolset).map((tool) => tool.name);
  }

  /** The toolsets that the tools themselves name. */
  get toolsets(): Set<string> {
    return new Set(this.tools.map((tool) => tool.toolset));
  }
}
