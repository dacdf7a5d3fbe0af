/**
 * The layers below the flags: what `configInit()` gives and what the YAML file holds, each read section by section into
 * drafts. Keys that are no section and no field are problems here; the fields' own values are checked once, at the end.
 */
import { z } from "zod";
import { errorMessage, isObject, nearestName } from "../core/index.ts";
import { ServerConfig } from "../inference/server-config.ts";
import { fromYaml } from "./coerce.ts";
import { Draft } from "./draft.ts";
import { type ConfigProblem, foundText, hint, problemsOf } from "./problem.ts";
import { type Source, sourceText } from "./resolved.ts";
import { type Schema, schemaAt, shapeOf } from "./schema.ts";
import { overlay, serverLayer } from "./servers.ts";
import type { YamlFile } from "./yaml.ts";

/** The fields beside the sections. */
export const TopLevel = z.strictObject({
  slurm: z.boolean().default(false).describe("Take the servers from the Slurm job (SLURM_JOB_NODELIST)"),
  testing: z.boolean().default(false).describe("Use the embedded model in place of every server"),
  max_n_completions: z.int().min(1).default(8).describe("Largest n of one request; more are split over several"),
  proxy_url: z
    .string()
    .nullable()
    .default(null)
    .describe("Address of a session proxy; null is none (or LACHESIS_PROXY_URL, ATROPOS_PROXY_URL)"),
});

export const SERVER_SECTIONS = ["openai", "judge"] as const;
export type ServerSection = (typeof SERVER_SECTIONS)[number];
export const SECTIONS = ["env", ...SERVER_SECTIONS] as const;

/** The drafts of all sections. */
export class Drafts {
  readonly top = new Draft();
  readonly env = new Draft();
  readonly servers: Record<ServerSection, Draft[]> = { openai: [], judge: [] };
}

/** One layer with the places of its values. */
export interface Layer {
  values: Record<string, unknown>;
  yaml: YamlFile | null;
  sourceOf: (path: readonly (string | number)[]) => Source;
  /** Place for messages about a path. */
  placeOf: (path: readonly (string | number)[], ofKey?: boolean) => string;
}

/** What `configInit()` gives; null where there is none. */
export async function initLayer(
  configInit: (() => unknown) | undefined,
  problems: ConfigProblem[],
): Promise<Layer | null> {
  let given: unknown;
  try {
    given = await configInit?.();
  } catch (error) {
    problems.push(
      ...(problemsOf(error) ?? [{ place: "configInit", message: `configInit() failed: ${errorMessage(error)}` }]),
    );
    return null;
  }
  if (given === undefined || given === null) return null;
  const values = Array.isArray(given) ? { env: given[0], openai: given[1] } : given;
  if (!isObject(values)) {
    problems.push({
      place: "configInit",
      message: `configInit() must give { env, openai }, found ${foundText(given)}.`,
    });
    return null;
  }
  return { values, yaml: null, sourceOf: () => ({ kind: "configInit" }), placeOf: () => "configInit" };
}

/** What the file holds; null without a file, or when it cannot be read. */
export async function yamlLayer(file: string | null, problems: ConfigProblem[]): Promise<Layer | null> {
  if (file === null) return null;
  try {
    // Loaded late: most commands read no file.
    const { readYaml } = await import("./yaml.ts");
    const yaml = await readYaml(file);
    return {
      values: yaml.values,
      yaml,
      sourceOf: (path) => yaml.place(path, true),
      placeOf: (path, ofKey) => sourceText(yaml.place(path, ofKey)),
    };
  } catch (error) {
    const found = problemsOf(error);
    if (found === null) throw error;
    problems.push(...found);
    return null;
  }
}

/** Reads a layer into the drafts, over what they hold. */
export function readLayer(layer: Layer, drafts: Drafts, schema: z.ZodObject, problems: ConfigProblem[]): void {
  readTop(layer, drafts.top, shapeOf(schema) ?? {}, problems);
  readEnv(layer, drafts.env, schema, problems);
  for (const section of SERVER_SECTIONS) {
    drafts.servers[section] = readServers(layer, drafts.servers[section], section, problems);
  }
}

function readTop(layer: Layer, top: Draft, envShape: Record<string, Schema>, problems: ConfigProblem[]): void {
  const known = [...SECTIONS, ...Object.keys(TopLevel.shape)];
  if (layer.yaml !== null) top.yaml = { file: layer.yaml, path: [] };
  for (const [key, value] of Object.entries(layer.values)) {
    if ((SECTIONS as readonly string[]).includes(key) || value === undefined) continue;
    if (Object.hasOwn(TopLevel.shape, key)) {
      top.set([key], fromYaml(schemaAt(TopLevel, [key])!, value), layer.sourceOf([key]));
      continue;
    }
    const nearest = Object.hasOwn(envShape, key) ? `env.${key}` : (nearestName(key, known) ?? null);
    problems.push({
      place: layer.placeOf([key], true),
      message: `${key} is no known section or field.${hint(nearest)} Allowed: ${known.join(", ")}.`,
    });
  }
}

function readEnv(layer: Layer, env: Draft, schema: z.ZodObject, problems: ConfigProblem[]): void {
  const section = layer.values.env;
  if (section === undefined || section === null) return;
  if (!isObject(section)) {
    problems.push({ place: layer.placeOf(["env"]), message: `env must hold fields, found ${foundText(section)}.` });
    return;
  }
  if (layer.yaml !== null) env.yaml = { file: layer.yaml, path: ["env"] };
  for (const [field, value] of Object.entries(section)) {
    if (value === undefined) continue;
    const target = schemaAt(schema, [field]);
    env.set([field], target === null ? value : fromYaml(target, value), layer.sourceOf(["env", field]));
  }
}

function readServers(layer: Layer, below: Draft[], section: ServerSection, problems: ConfigProblem[]): Draft[] {
  const read = serverLayer(section, layer.values[section], layer.placeOf([section]), problems);
  if (read === null) return below;
  const sections = read.sections.map((fields) =>
    Object.fromEntries(
      Object.entries(fields)
        .filter(([, value]) => value !== undefined)
        .map(([field, value]) => [field, fromYaml(schemaAt(ServerConfig, [field]) ?? z.unknown(), value)]),
    ),
  );
  const path = (index: number, field: string) => (read.isList ? [section, index, field] : [section, field]);
  return overlay(
    below,
    { ...read, sections, yaml: layer.yaml, sourceOf: (index, field) => layer.sourceOf(path(index, field)) },
    section,
  );
}
