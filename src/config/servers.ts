/**
 * The `openai` and `judge` sections: one server or a list, laid over each other by layer, with the servers of a Slurm
 * job, of the default ports or the embedded model put in where the configuration says so.
 */
import { isObject, LachesisError } from "../core/index.ts";
import { SERVER_TYPES, ServerConfig } from "../inference/server-config.ts";
import { checkDraft, Draft } from "./draft.ts";
import { type ConfigProblem, foundText } from "./problem.ts";
import { type Source, sourceText } from "./resolved.ts";
import { hideSecrets } from "./secret-fields.ts";
import { slurmServers } from "./slurm.ts";
import type { YamlFile } from "./yaml.ts";

const DEFAULT_PORTS = [9004, 9005, 9006, 9007];
const REFERENCE = /^\$(?:\{([A-Za-z_]\w*)\}|([A-Za-z_]\w*))$/;

/** One layer of a server section: a list of sections, each with the source of its fields. */
export interface ServerLayer {
  sections: Record<string, unknown>[];
  sourceOf: (index: number, field: string) => Source;
  yaml: YamlFile | null;
  /** True when the section was written as a list. */
  isList: boolean;
}

/** Reads a section that holds one server or a list; null when it is absent. */
export function serverLayer(
  section: string,
  value: unknown,
  place: string,
  problems: ConfigProblem[],
): { sections: Record<string, unknown>[]; isList: boolean } | null {
  if (value === undefined || value === null) return null;
  const isList = Array.isArray(value);
  const list: unknown[] = isList ? value : [value];
  if (list.length === 0) {
    problems.push({ place, message: `${section}: the list of servers is empty. Leave it out, or name a server.` });
    return null;
  }
  const sections: Record<string, unknown>[] = [];
  for (const item of list) {
    if (isObject(item)) sections.push(item);
    else
      problems.push({
        place,
        message: `${section} must hold a server's fields or a list of servers, found ${foundText(item)}.`,
      });
  }
  return { sections, isList };
}

/** Lays a layer over what is there. A list of several servers replaces everything below it. */
export function overlay(below: Draft[], layer: ServerLayer, section: string): Draft[] {
  const single = layer.sections.length === 1;
  return layer.sections.map((fields, index) => {
    const draft = single && below.length === 1 ? below[0]!.copy() : new Draft();
    if (layer.yaml !== null) draft.yaml = { file: layer.yaml, path: layer.isList ? [section, index] : [section] };
    dropOtherKind(draft, fields);
    for (const [field, value] of Object.entries(fields)) draft.set([field], value, layer.sourceOf(index, field));
    return draft;
  });
}

/**
 * A layer that names an address takes the place of an embedded model below it, and the other way round: a model's name
 * means nothing at another kind of server.
 */
export function dropOtherKind(draft: Draft, fields: Readonly<Record<string, unknown>>): void {
  const namesAddress =
    typeof fields.base_url === "string" && fields.base_url !== "" && fields.server_type === undefined;
  const embeddedBelow = draft.values.server_type === "embedded";
  if (embeddedBelow && (namesAddress || (fields.server_type !== undefined && fields.server_type !== "embedded"))) {
    for (const field of ["server_type", "model_name", "tokenizer_name"]) draft.drop(field);
  }
  if (!embeddedBelow && fields.server_type === "embedded") {
    for (const field of ["base_url", "api_key", "model_name", "tokenizer_name", "extra_body", "extra_headers"]) {
      draft.drop(field);
    }
  }
}

/** Replaces `$NAME` in keys and headers by the variable's value. */
export function resolveReferences(
  draft: Draft,
  section: string,
  environment: Readonly<Record<string, string | undefined>>,
  problems: ConfigProblem[],
): void {
  const resolve = (path: string[], text: unknown) => {
    const match = typeof text === "string" ? REFERENCE.exec(text) : null;
    if (match === null) return;
    const variable = (match[1] ?? match[2])!;
    const value = environment[variable];
    if (value === undefined || value === "") {
      const message = `${section}.${path.join(".")} names the variable ${variable}, which is not set (environment or .env).`;
      problems.push({ place: sourceText(draft.source(path)), message });
    } else draft.set(path, value, { kind: "environment", variable });
  };
  resolve(["api_key"], draft.values.api_key);
  if (isObject(draft.values.extra_headers)) {
    for (const [name, value] of Object.entries(draft.values.extra_headers)) resolve(["extra_headers", name], value);
  }
}

export interface ServerChoice {
  testing: Source | null;
  slurm: Source | null;
  environment: Readonly<Record<string, string | undefined>>;
}

/** Puts in the embedded model, the servers of the Slurm job or the default ports. Gives sentences for the user. */
export function chooseServers(
  drafts: Draft[],
  choice: ServerChoice,
  problems: ConfigProblem[],
): { drafts: Draft[]; notes: string[] } {
  if (choice.testing !== null) {
    const embedded = drafts.length === 1 && drafts[0]!.values.server_type === "embedded" ? drafts[0]! : new Draft();
    if (!embedded.has("server_type")) embedded.set(["server_type"], "embedded", choice.testing);
    return {
      drafts: [embedded],
      notes: drafts.some((draft) => draft.values.server_type !== "embedded")
        ? ["testing: the embedded model takes the place of the configured servers."]
        : [],
    };
  }
  if (drafts.length > 1) return { drafts, notes: slurmNote(choice, "several servers are configured") };
  const draft = drafts[0] ?? new Draft();
  const type = draft.values.server_type ?? "openai";
  if (type === "embedded") return { drafts: [draft], notes: slurmNote(choice, "the embedded model is configured") };
  if (!(SERVER_TYPES as readonly unknown[]).includes(type)) return { drafts: [draft], notes: [] };
  if (draft.values.base_url) return { drafts: [draft], notes: slurmNote(choice, "base_url is configured") };
  if (choice.slurm !== null) return { drafts: slurmDrafts(draft, choice, problems), notes: [] };
  // A named model of type openai belongs to a provider: OPENAI_BASE_URL, else OpenAI itself.
  if (type === "openai" && (draft.has("model_name") || choice.environment.OPENAI_BASE_URL))
    return { drafts: [draft], notes: [] };
  const urls = DEFAULT_PORTS.map((port) => `http://localhost:${port}/v1`);
  return {
    drafts: urls.map((url) => withUrl(draft, url, { kind: "default" })),
    notes: [
      `No inference server is configured: trying ${urls[0]} to port ${DEFAULT_PORTS.at(-1)}. Name one with --openai.base_url, or use --testing for the embedded model.`,
    ],
  };
}

function slurmDrafts(draft: Draft, choice: ServerChoice, problems: ConfigProblem[]): Draft[] {
  try {
    const source: Source = { kind: "environment", variable: "SLURM_JOB_NODELIST" };
    return slurmServers(choice.environment).map((url) => withUrl(draft, url, source));
  } catch (error) {
    if (!(error instanceof LachesisError) || choice.slurm === null) throw error;
    problems.push({ place: sourceText(choice.slurm), message: error.message });
    return [draft];
  }
}

const slurmNote = (choice: ServerChoice, why: string): string[] =>
  choice.slurm === null ? [] : [`slurm: SLURM_JOB_NODELIST is not used, because ${why}.`];

function withUrl(draft: Draft, url: string, source: Source): Draft {
  const copy = draft.copy();
  copy.set(["base_url"], url, source);
  return copy;
}

/** Checks every server, and that the list makes sense as a whole. */
export function checkServers(drafts: readonly Draft[], section: string, problems: ConfigProblem[]): ServerConfig[] {
  const servers: ServerConfig[] = [];
  for (const [index, draft] of drafts.entries()) {
    const name = drafts.length === 1 ? section : `${section}.${index}`;
    const server = checkDraft(draft, ServerConfig, name, problems);
    if (server === null) continue;
    servers.push(server);
    checkAddress(draft, server, name, drafts.length, problems);
  }
  if (servers.length < drafts.length) return servers;
  const phase = (server: ServerConfig) => (server.server_type === "openai" ? 1 : 2);
  const odd = servers.findIndex((server) => phase(server) !== phase(servers[0]!));
  if (odd > 0) {
    const source = drafts[odd]!.has("server_type") ? drafts[odd]!.source(["server_type"]) : firstSource(drafts[odd]!);
    problems.push({
      place: sourceText(source),
      message:
        `${section}.${odd} is of type ${servers[odd]!.server_type} and ${section}.0 of type ${servers[0]!.server_type}: ` +
        "servers of type openai give no tokens, so they cannot stand in one list with types that do (vllm, sglang, trl, embedded).",
    });
  }
  return servers;
}

function checkAddress(
  draft: Draft,
  server: ServerConfig,
  name: string,
  servers: number,
  problems: ConfigProblem[],
): void {
  const url = server.base_url ?? "";
  const place = sourceText(draft.has("base_url") ? draft.source(["base_url"]) : firstSource(draft));
  if (server.server_type === "embedded") {
    if (url !== "")
      problems.push({ place, message: `${name}: server_type embedded runs in this process and takes no base_url.` });
  } else if (url === "") {
    if (servers > 1) problems.push({ place, message: `${name}.base_url is required when several servers are listed.` });
  } else if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    problems.push({
      place,
      message: `${name}.base_url: allowed: an http:// or https:// address; found ${foundText(hideSecrets(url, null))}.`,
    });
  }
}

const firstSource = (draft: Draft): Source => draft.source([Object.keys(draft.values)[0] ?? ""]);
