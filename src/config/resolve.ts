/**
 * From layers to one checked configuration: flags over YAML over the mode's own values over `configInit()` over the
 * fields' defaults. Every problem of every layer is gathered; nothing is returned, and so nothing starts, while there is
 * one.
 */
import type { z } from "zod";
import { redact } from "../core/index.ts";
import { ServerConfig } from "../inference/server-config.ts";
import { applyFlags } from "./apply-flags.ts";
import { checkDraft, type Draft } from "./draft.ts";
import type { FlagUse } from "./flags.ts";
import { Drafts, initLayer, type Layer, readLayer, SERVER_SECTIONS, TopLevel, yamlLayer } from "./layers.ts";
import { type ConfigProblem, configError } from "./problem.ts";
import { type ResolvedConfig, type Source, sourceText } from "./resolved.ts";
import { type Schema, shapeOf } from "./schema.ts";
import { checkServers, chooseServers, resolveReferences } from "./servers.ts";

/** Checks that no schema can express, such as two fields that exclude each other. */
export type ConfigRule<Env> = (
  env: Env,
  /** Where a field's value came from, in words, and whether its default gave it. */
  at: (field: string) => { place: string; isDefault: boolean },
) => ConfigProblem[] | Promise<ConfigProblem[]>;

export interface ConfigRequest<Env extends z.ZodObject> {
  /** Schema of the `env` section. */
  schema: Env;
  /** The environment's own settings: `{ env, openai, judge, … }`, or the pair `[env, servers]`. */
  configInit?: () => unknown;
  /** Values that the mode sets unless a file or flag says otherwise. */
  mode?: { name: string; env: Record<string, unknown> };
  /** The file of `--config`. */
  file?: string | null;
  flags?: readonly FlagUse[];
  /** Flags that are known but not of the configuration, for hints. */
  otherFlags?: readonly string[];
  environment?: Readonly<Record<string, string | undefined>>;
  rules?: readonly ConfigRule<z.infer<Env>>[];
}

/**
 * Resolves a configuration. Throws `config_invalid` naming every problem with its place.
 * @example
 * const flags = [{ flag: "--env.group_size", path: ["env", "group_size"], text: "8" }];
 * (await resolveConfig({ schema: AgentEnvConfig, flags })).env.group_size // 8
 */
export async function resolveConfig<Env extends z.ZodObject>(
  request: ConfigRequest<Env>,
): Promise<ResolvedConfig<z.infer<Env>>> {
  const problems: ConfigProblem[] = [];
  const environment = request.environment ?? process.env;
  const drafts = await layDown(request, environment, problems);
  const settings = checkDraft(drafts.top, TopLevel, "", problems);
  const setTo = (name: "testing" | "slurm") => (settings?.[name] === true ? drafts.top.source([name]) : null);
  const choice = { testing: setTo("testing"), slurm: setTo("slurm"), environment };
  const chosen = chooseServers(drafts.servers.openai, choice, problems);
  const openai = checkServers(chosen.drafts, "openai", problems);
  const judges = choice.testing === null ? drafts.servers.judge : [];
  const judge = checkJudge(judges, problems);
  const env = checkDraft(drafts.env, request.schema, "env", problems);
  await checkRules(request, drafts.env, env, problems);
  if (problems.length > 0 || env === null || settings === null) throw configError(unique(problems));

  for (const server of [...openai, ...(judge === null ? [] : [judge])]) hideInLogs(server);
  const sources = prefixed("env", request.schema, drafts.env);
  for (const [index, draft] of chosen.drafts.entries()) {
    Object.assign(sources, prefixed(chosen.drafts.length === 1 ? "openai" : `openai.${index}`, ServerConfig, draft));
  }
  if (judge !== null) Object.assign(sources, prefixed("judge", ServerConfig, judges[0]!));
  Object.assign(sources, prefixed("", TopLevel, drafts.top));
  return { env, openai, judge, ...settings, sources, notes: chosen.notes };
}

async function layDown(
  request: ConfigRequest<z.ZodObject>,
  environment: Readonly<Record<string, string | undefined>>,
  problems: ConfigProblem[],
): Promise<Drafts> {
  const drafts = new Drafts();
  for (const variable of ["ATROPOS_PROXY_URL", "LACHESIS_PROXY_URL"]) {
    const value = environment[variable];
    if (value) drafts.top.set(["proxy_url"], value, { kind: "environment", variable });
  }
  const read = (layer: Layer | null) => layer !== null && readLayer(layer, drafts, request.schema, problems);
  read(await initLayer(request.configInit, problems));
  for (const [field, value] of Object.entries(request.mode?.env ?? {})) {
    drafts.env.set([field], value, { kind: "mode", mode: request.mode!.name });
  }
  read(await yamlLayer(request.file ?? null, problems));
  applyFlags(request, drafts, problems);
  for (const section of SERVER_SECTIONS) {
    for (const draft of drafts.servers[section]) resolveReferences(draft, section, environment, problems);
  }
  return drafts;
}

function checkJudge(judges: readonly Draft[], problems: ConfigProblem[]): ServerConfig | null {
  if (judges.length > 1) {
    const source = judges[1]!.source([Object.keys(judges[1]!.values)[0] ?? ""]);
    problems.push({ place: sourceText(source), message: "judge holds one server, not a list of several." });
  }
  const judge = checkServers(judges, "judge", problems)[0] ?? null;
  const named = judge === null || judge.server_type === "embedded" || judge.base_url || judges[0]!.has("model_name");
  if (!named) problems.push({ place: "judge", message: "judge needs a base_url or a model_name." });
  return judge;
}

async function checkRules<Env extends z.ZodObject>(
  request: ConfigRequest<Env>,
  draft: Draft,
  parsed: z.infer<Env> | null,
  problems: ConfigProblem[],
): Promise<void> {
  const env = parsed ?? withoutFaults(draft, request.schema);
  if (env === null) return;
  const at = (field: string) => {
    const source = draft.source([field]);
    const isDefault = source.kind === "default";
    return { place: isDefault ? `env.${field}` : sourceText(source), isDefault };
  };
  for (const rule of request.rules ?? []) problems.push(...(await rule(env, at)));
}

/** The section with defaults where its fields are wrong, so that other rules can still be checked; null if that fails. */
function withoutFaults<Shape extends z.ZodObject>(draft: Draft, schema: Shape): z.infer<Shape> | null {
  const shape = shapeOf(schema) ?? {};
  const values: Record<string, unknown> = {};
  for (const [field, value] of Object.entries(draft.values)) {
    const target = Object.hasOwn(shape, field) ? shape[field] : undefined;
    if (target !== undefined && (target as z.ZodType).safeParse(value).success) values[field] = value;
  }
  const parsed = schema.safeParse(values);
  return parsed.success ? parsed.data : null;
}

function prefixed(section: string, schema: Schema, draft: Draft): Record<string, Source> {
  const name = (field: string) => (section === "" ? field : `${section}.${field}`);
  const result: Record<string, Source> = {};
  for (const field of Object.keys(shapeOf(schema) ?? {})) result[name(field)] = { kind: "default" };
  for (const [path, source] of Object.entries(draft.sources)) result[name(path)] = source;
  return result;
}

function hideInLogs(server: ServerConfig): void {
  if (server.api_key) redact(server.api_key);
  for (const value of Object.values(server.extra_headers)) redact(value.replace(/^Bearer\s+/i, ""));
}

function unique(problems: readonly ConfigProblem[]): ConfigProblem[] {
  const seen = new Map(problems.map((problem) => [`${problem.place}\n${problem.message}`, problem]));
  return [...seen.values()];
}
