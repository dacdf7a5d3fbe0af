/**
 * From a configuration to the tools that are offered: names are checked, toolsets expanded, a distribution sampled, and
 * tools that cannot work here left out. What was asked for by name and cannot be given is an error, never a silence.
 */
import { LachesisError, type ToolSchema } from "../core/index.ts";
import type { Tool } from "./contract.ts";
import { DISTRIBUTIONS, type Distribution, sampleToolsets } from "./distributions.ts";
import type { ToolRegistry } from "./registry.ts";
import { toolSchemas } from "./schemas.ts";
import { toolNamesOf, toolsetNames } from "./toolsets.ts";

export interface ResolveToolsOptions {
  registry: ToolRegistry;
  /** Names of toolsets; null for every tool of the registry. */
  enabled?: readonly string[] | null;
  /** Toolsets whose tools are taken away again. */
  disabled?: readonly string[] | null;
  /** Name of a distribution, instead of `enabled`. */
  distribution?: string | null;
  /** What the distribution is sampled with. */
  seed?: number;
}

export interface ResolvedTools {
  /** Sorted by name. */
  tools: Tool[];
  schemas: ToolSchema[];
  /** The toolsets that were enabled or drawn; null when everything is enabled. */
  toolsets: string[] | null;
  /** What was left out, toolset by toolset. */
  missing: { toolset: string; tools: string[]; reason: string }[];
}

/**
 * Resolves the tools of a group. Throws `config_invalid`: unknown names (with the nearest), a distribution beside enabled
 * toolsets, a toolset asked for by name none of whose tools works here.
 * @example const { tools, schemas } = await resolveTools({ registry, enabled: ["terminal", "file"] });
 */
export async function resolveTools(options: ResolveToolsOptions): Promise<ResolvedTools> {
  const { registry } = options;
  if (options.distribution && options.enabled) {
    throw new LachesisError("config_invalid", "Give either enabled_toolsets or a distribution, not both.");
  }
  const toolsets = options.distribution
    ? sampleToolsets(options.distribution, options.seed ?? 0)
    : options.enabled
      ? [...options.enabled]
      : null;
  const reasons = await unavailability(registry);
  const chosen = new Set<string>();
  const missing: ResolvedTools["missing"] = [];
  if (toolsets === null) {
    for (const tool of registry.tools) if (!reasons.has(tool.name)) chosen.add(tool.name);
    if (reasons.size > 0) {
      missing.push({ toolset: "all", tools: [...reasons.keys()], reason: [...new Set(reasons.values())].join("; ") });
    }
  }
  for (const toolset of toolsets ?? []) {
    const names = toolNamesOf(toolset, registry);
    const usable = names.filter((name) => registry.has(name) && !reasons.has(name));
    for (const name of usable) chosen.add(name);
    const absent = names.filter((name) => !usable.includes(name));
    if (absent.length === 0) continue;
    const reason = absent
      .map((name) => `${name}: ${registry.has(name) ? reasons.get(name) : "there is no such tool here"}`)
      .join("; ");
    if (usable.length === 0 && options.enabled) {
      throw new LachesisError("config_invalid", `The toolset '${toolset}' has no tool that works here (${reason}).`, {
        details: { toolset, tools: absent },
      });
    }
    missing.push({ toolset, tools: absent, reason });
  }
  for (const toolset of options.disabled ?? []) {
    for (const name of toolNamesOf(toolset, registry)) chosen.delete(name);
  }
  const tools = registry.tools.filter((tool) => chosen.has(tool.name));
  return { tools, schemas: toolSchemas(tools), toolsets, missing };
}

/** Why tools cannot work here, by name; those that can are not in it. */
async function unavailability(registry: ToolRegistry): Promise<Map<string, string>> {
  const reasons = new Map<string, string>();
  for (const tool of registry.tools) {
    const keys = (tool.requiresEnv ?? []).filter((key) => !process.env[key]);
    const reason = keys.length > 0 ? `needs ${keys.join(", ")} in the environment` : await tool.unavailable?.();
    if (reason) reasons.set(tool.name, reason);
  }
  return reasons;
}

/** Toolsets with their tools, for people: `usable` tools exist here and work. */
export async function listToolsets(
  registry: ToolRegistry,
): Promise<{ name: string; tools: string[]; usable: string[] }[]> {
  const reasons = await unavailability(registry);
  return toolsetNames(registry).map((name) => {
    const tools = toolNamesOf(name, registry);
    return { name, tools, usable: tools.filter((tool) => registry.has(tool) && !reasons.has(tool)) };
  });
}

/** The distributions with their probabilities in percent. */
export function listDistributions(): { name: string; toolsets: Distribution }[] {
  return Object.entries(DISTRIBUTIONS).map(([name, toolsets]) => ({ name, toolsets }));
}

/** The registry's tools; `unavailable` says why one cannot work here, or is null. */
export async function listTools(
  registry: ToolRegistry,
): Promise<{ name: string; toolset: string; description: string; unavailable: string | null }[]> {
  const reasons = await unavailability(registry);
  return registry.tools.map(({ name, toolset, description }) => ({
    name,
    toolset,
    description,
    unavailable: reasons.get(name) ?? null,
  }));
}
