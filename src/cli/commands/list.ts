/** `lachesis list [KIND]`: names that a configuration may use, with a word on each. Without a kind, those of all kinds. */
import { Command } from "commander";
import { nearestName } from "../../core/index.ts";
import { parseOptions } from "../parse.ts";

interface Line {
  name: string;
  /** What it is or holds. */
  description: string;
}

const KINDS: Record<string, () => Promise<Line[]>> = {
  environments: async () => {
    const { shippedEnvironments } = await import("../../environment/locate.ts");
    return shippedEnvironments().map(({ name, path }) => ({ name, description: path }));
  },
  toolsets: async () => {
    const { builtinTools, listToolsets, ToolRegistry } = await import("../../tools/index.ts");
    const toolsets = await listToolsets(new ToolRegistry(builtinTools()));
    return toolsets.map(({ name, tools, usable }) => {
      const missing = tools.length - usable.length;
      const note =
        missing === 0 ? "" : usable.length === 0 ? "no tool of it works here" : `${missing} more do not work here`;
      return { name, description: [usable.join(", "), note].filter((text) => text !== "").join("; ") };
    });
  },
  distributions: async () => {
    const { listDistributions } = await import("../../tools/index.ts");
    return listDistributions().map(({ name, toolsets }) => ({
      name,
      description: Object.entries(toolsets)
        .map(([toolset, percent]) => `${toolset} ${percent} %`)
        .join(", "),
    }));
  },
  tools: async () => {
    const { builtinTools, listTools, ToolRegistry } = await import("../../tools/index.ts");
    const tools = await listTools(new ToolRegistry(builtinTools()));
    return tools.map(({ name, toolset, description, unavailable }) => ({
      name,
      description: `[${toolset}] ${unavailable === null ? firstSentence(description) : `not here: ${unavailable}`}`,
    }));
  },
  backends: async () => {
    const { BACKENDS } = await import("../../environment/backends.ts");
    return BACKENDS.map(({ name, description, missing }) => ({
      name,
      description: missing === null ? description : `${description}; not here: ${missing}`,
    }));
  },
  parsers: async () => {
    const { listParsers } = await import("../../parsers/index.ts");
    return listParsers().map((name) => ({ name, description: "" }));
  },
};

export async function run(argv: readonly string[]): Promise<number> {
  const kinds = Object.keys(KINDS);
  const command = new Command("lachesis list")
    .description(`Lists names that a configuration may use. Kinds: ${kinds.join(", ")}.`)
    .argument("[kind]", `${kinds.join(", ")}; all of them without`)
    .option("--json", "as JSON, for programs");
  const parsed = parseOptions(command, argv);
  if (typeof parsed === "number") return parsed;
  const kind = parsed.args[0];
  if (kind !== undefined && !Object.hasOwn(KINDS, kind)) {
    const near = nearestName(kind, kinds);
    const hint = near === undefined ? "" : ` Did you mean ${near}?`;
    process.stderr.write(`lachesis list: "${kind}" is no kind.${hint} Allowed: ${kinds.join(", ")}.\n`);
    return 2;
  }
  const lists: Record<string, Line[]> = {};
  for (const name of kind === undefined ? kinds : [kind]) lists[name] = await KINDS[name]!();
  if (command.opts<{ json?: boolean }>().json) {
    process.stdout.write(`${JSON.stringify(kind === undefined ? lists : lists[kind], null, 2)}\n`);
  } else if (kind !== undefined) {
    process.stdout.write(listText(lists[kind]!));
  } else {
    const texts = Object.entries(lists).map(([name, lines]) => `${name}\n${listText(lines, "  ")}`);
    process.stdout.write(texts.join("\n"));
  }
  return 0;
}

function listText(lines: readonly Line[], indent = ""): string {
  const width = Math.max(0, ...lines.map(({ name }) => name.length));
  return lines
    .map(({ name, description }) => `${indent}${`${name.padEnd(width)}  ${description}`.trimEnd()}\n`)
    .join("");
}

function firstSentence(text: string): string {
  return /^.*?[.!?](?=\s|$)/s.exec(text)?.[0].replace(/\s+/g, " ") ?? text.slice(0, 120);
}
