/** The resolved configuration as text: one line a field, `name = value  (source)`, secrets hidden. */
import { ServerConfig } from "../inference/server-config.ts";
import { TopLevel } from "./layers.ts";
import { type ResolvedConfig, sourceText } from "./resolved.ts";
import { type Schema, shapeOf } from "./schema.ts";
import { hideSecrets } from "./secret-fields.ts";

/**
 * The lines of `lachesis config`, in the order of the schema.
 * @param schema The schema of the `env` section.
 */
export function configLines(config: ResolvedConfig<object>, schema: Schema): string[] {
  const lines = sectionLines(config, "env", { ...config.env }, schema);
  for (const [index, server] of config.openai.entries()) {
    const section = config.openai.length === 1 ? "openai" : `openai.${index}`;
    lines.push(...sectionLines(config, section, server, ServerConfig));
  }
  if (config.judge !== null) lines.push(...sectionLines(config, "judge", config.judge, ServerConfig));
  const { slurm, testing, max_n_completions, proxy_url } = config;
  lines.push(...sectionLines(config, "", { slurm, testing, max_n_completions, proxy_url }, TopLevel));
  return lines;
}

function sectionLines(
  config: ResolvedConfig<object>,
  section: string,
  values: Readonly<Record<string, unknown>>,
  schema: Schema,
): string[] {
  return Object.entries(shapeOf(schema) ?? values).map(([field]) => {
    const name = section === "" ? field : `${section}.${field}`;
    const shown = JSON.stringify(hideSecrets({ [field]: values[field] }, schema));
    return `${name} = ${shown.slice(field.length + 4, -1)}  (${origin(config, name)})`;
  });
}

/** The field's source, and those of parts of it that came from elsewhere. */
function origin(config: ResolvedConfig<object>, name: string): string {
  const own = config.sources[name];
  const parts = Object.entries(config.sources).filter(([path]) => path.startsWith(`${name}.`));
  const texts = [...(own === undefined ? [] : [own]), ...parts.map(([, source]) => source)].map(sourceText);
  return [...new Set(texts)].filter((text, _, all) => text !== "default" || all.length === 1).join(", ");
}
