// Writes the tables of docs/configuration.md from the schemas. With --check it only says whether they are current.
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { fieldRows, groupsOf, markdownTable, TopLevel } from "../src/config/index.ts";
import { AgentEnvConfig, BaseEnvConfig, FIELD_GROUPS } from "../src/environment/fields.ts";
import { ServerConfig } from "../src/inference/server-config.ts";

const FILE = fileURLToPath(new URL("../docs/configuration.md", import.meta.url));
const START = "<!-- The tables below are made by scripts/docs-configuration.ts. -->";
const END = "<!-- End of the tables. -->";

/** The document with fresh tables. Throws when the marks are missing. */
export function withTables(text: string): string {
  const from = text.indexOf(START);
  const to = text.indexOf(END);
  if (from < 0 || to < from) throw new Error(`docs/configuration.md needs the lines "${START}" and "${END}".`);
  return `${text.slice(0, from + START.length)}\n\n${tables()}\n\n${text.slice(to)}`;
}

function tables(): string {
  const base = new Set(Object.keys(BaseEnvConfig.shape));
  const parts: string[] = [];
  for (const { title, fields } of groupsOf(AgentEnvConfig, FIELD_GROUPS, "Others")) {
    const agentOnly = fields.every((field) => !base.has(field));
    const note = agentOnly ? "\n\nOnly environments that run agents (`AgentEnv`) have these." : "";
    parts.push(`### env: ${title}${note}\n\n${markdownTable(fieldRows(AgentEnvConfig, fields))}`);
  }
  parts.push(`### openai and judge: one inference server\n\n${markdownTable(fieldRows(ServerConfig))}`);
  parts.push(`### Top level\n\n${markdownTable(fieldRows(TopLevel))}`);
  return parts.join("\n\n");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const text = readFileSync(FILE, "utf8");
  const fresh = withTables(text);
  if (!process.argv.includes("--check")) writeFileSync(FILE, fresh);
  else if (fresh !== text) {
    process.stderr.write("docs/configuration.md is not current; run: node scripts/docs-configuration.ts\n");
    process.exitCode = 1;
  }
}
