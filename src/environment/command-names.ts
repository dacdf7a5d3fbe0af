/**
 * Names in the configuration that tables know: toolsets, distributions, parsers, sandbox backends. An unknown name is a
 * problem with the nearest one; a toolset asked for by name that has no tool here is one, too.
 */
import { type ConfigProblem, type ConfigRule, hint } from "../config/index.ts";
import { LachesisError, nearestName } from "../core/index.ts";
import { builtinTools, DISTRIBUTIONS, resolveTools, ToolRegistry, toolsetNames } from "../tools/index.ts";
import { BACKENDS } from "./backends.ts";
import type { EnvClass } from "./base-env.ts";

type Env = Record<string, unknown>;

const ALL = ["all", "*"];

/** The rule for an environment: its own tools count as well. */
export function nameRules(Env: EnvClass): ConfigRule<Env> {
  return async (env, at) => {
    const registry = new ToolRegistry([...builtinTools(), ...Env.tools]);
    const toolsets = [...toolsetNames(registry), ...ALL];
    const unknown: ConfigProblem[] = [];
    const check = (field: string, value: unknown, known: readonly string[], kind: string) => {
      if (typeof value !== "string" || known.includes(value)) return;
      const near = nearestName(value, known);
      const list = known.length <= 40 ? ` Allowed: ${known.join(", ")}.` : ` \`lachesis list ${kind}s\` shows them.`;
      unknown.push({
        place: at(field).place,
        message: `env.${field}: "${value}" is no ${kind}.${hint(near ?? null)}${list}`,
      });
    };
    for (const field of ["enabled_toolsets", "disabled_toolsets"]) {
      for (const name of list(env[field])) check(field, name, toolsets, "toolset");
    }
    check("distribution", env.distribution, Object.keys(DISTRIBUTIONS), "distribution");
    if (!at("tool_call_parser").isDefault) {
      // Loaded late: there are many.
      const { listParsers } = await import("../parsers/index.ts");
      check("tool_call_parser", env.tool_call_parser, listParsers(), "parser");
    }
    const backends = BACKENDS.map(({ name }) => name);
    check("terminal_backend", env.terminal_backend, backends, "backend");
    const missing = BACKENDS.find(({ name }) => name === env.terminal_backend)?.missing ?? null;
    if (missing !== null) {
      const message = `env.terminal_backend: "${env.terminal_backend}" cannot be used: ${missing}.`;
      unknown.push({ place: at("terminal_backend").place, message });
    }
    if (env.tool_pool_mode === "nomad" || env.tool_pool_mode === "modal") {
      const message = `env.tool_pool_mode: "${env.tool_pool_mode}" cannot be used: this version has no sandbox pools. Use default.`;
      unknown.push({ place: at("tool_pool_mode").place, message });
    }
    if (unknown.length > 0) return unknown;
    return usable(env, at("enabled_toolsets").place, registry);
  };
}

/** Toolsets asked for by name must have a tool that works here. */
async function usable(env: Env, place: string, registry: ToolRegistry): Promise<ConfigProblem[]> {
  const problems: ConfigProblem[] = [];
  for (const toolset of list(env.enabled_toolsets)) {
    try {
      await resolveTools({ registry, enabled: [String(toolset)] });
    } catch (error) {
      if (!(error instanceof LachesisError) || error.code !== "config_invalid") throw error;
      problems.push({ place, message: `env.enabled_toolsets: ${error.message}` });
    }
  }
  return problems;
}

const list = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);
