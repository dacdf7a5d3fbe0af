/**
 * Loads a tokenizer from where it is: a folder, the hub's cache on this machine, or the hub. Nothing is guessed: what is
 * missing or broken is a `tokenizer_error` that says where it was sought.
 */
import { readdir, readFile, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { errorMessage, isErrno, isObject } from "../core/index.ts";
import { hubSnapshot, isHubId } from "./hub.ts";
import type { Environment } from "./hub-cache.ts";
import { tokenizerError } from "./tokenizer/fields.ts";
import { Tokenizer, type TokenizerFiles } from "./tokenizer.ts";

export interface LoadOptions {
  /** A branch, tag or commit on the hub. Default "main". */
  revision?: string;
  /** Where HF_HOME, HF_HUB_CACHE, HF_ENDPOINT, HF_TOKEN and HF_HUB_OFFLINE are read. Default: the process's environment. */
  env?: Environment;
}

/**
 * The tokenizer of a folder, or of a model on the hub; a folder of that name comes first. What the hub's cache has is
 * not fetched again, and without a connection the cache is enough.
 * @param source a folder with tokenizer.json, or a hub id such as `org/name`
 * @throws LachesisError `tokenizer_error`
 * @example
 * const tokenizer = await loadTokenizer("models/tiny");
 * tokenizer.encode("Hello", { addSpecialTokens: false });
 */
export async function loadTokenizer(source: string, options: LoadOptions = {}): Promise<Tokenizer> {
  if (await isFolder(source)) return new Tokenizer(await readFolder(source, source));
  if (!isHubId(source)) throw tokenizerError(`${source} is neither a folder nor a hub id`);
  const folder = await hubSnapshot(source, options.revision ?? "main", options.env ?? process.env);
  return new Tokenizer(await readFolder(folder, `${source}@${basename(folder)}`));
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    if (isErrno(error)) return false;
    throw error;
  }
}

/** Reads a tokenizer's files from a folder. */
export async function readFolder(folder: string, source: string): Promise<TokenizerFiles> {
  const tokenizer = await readText(join(folder, "tokenizer.json"));
  if (tokenizer === null) throw tokenizerError(`${folder} has no tokenizer.json`);
  const config = (await readJson(join(folder, "tokenizer_config.json"))) ?? {};
  return {
    tokenizer: parseJson(tokenizer, join(folder, "tokenizer.json")),
    config,
    specialTokensMap: await readJson(join(folder, "special_tokens_map.json")),
    addedTokens: await readJson(join(folder, "added_tokens.json")),
    templates: await readTemplates(folder, config),
    modelEos: await readModelEos(folder),
    source,
  };
}

/** The end tokens that the model's own files list; generation_config.json is what an engine stops at. */
async function readModelEos(folder: string): Promise<unknown> {
  for (const name of ["generation_config.json", "config.json"]) {
    const json = await readJson(join(folder, name));
    if (isObject(json) && json.eos_token_id !== undefined && json.eos_token_id !== null) return json.eos_token_id;
  }
  return undefined;
}

/** null where the file does not exist. */
async function readText(path: string): Promise<string | null> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (isErrno(error) && error.code === "ENOENT") return null;
    throw tokenizerError(`${path} cannot be read: ${errorMessage(error)}`, error);
  }
}

/** null where the file does not exist. */
async function readJson(path: string): Promise<unknown> {
  const text = await readText(path);
  return text === null ? null : parseJson(text, path);
}

function parseJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw tokenizerError(`${path} is not JSON: ${errorMessage(error)}`, error);
  }
}

/** chat_template.jinja, with the further ones in additional_chat_templates/, beats what the configuration holds. */
async function readTemplates(folder: string, config: unknown): Promise<Map<string, string>> {
  const templates = new Map<string, string>();
  const single = await readText(join(folder, "chat_template.jinja"));
  if (single !== null) templates.set("default", single);
  for (const name of await additionalNames(folder)) {
    const text = await readText(join(folder, "additional_chat_templates", name));
    if (text !== null) templates.set(name.replace(/\.jinja$/, ""), text);
  }
  if (templates.size > 0 || !isObject(config)) return templates;
  const own = config.chat_template;
  if (typeof own === "string") templates.set("default", own);
  else if (Array.isArray(own)) {
    for (const entry of own) {
      if (!isObject(entry) || typeof entry.name !== "string" || typeof entry.template !== "string") {
        throw tokenizerError(`${folder}/tokenizer_config.json has a chat_template entry without name and template`);
      }
      templates.set(entry.name, entry.template);
    }
  }
  return templates;
}

async function additionalNames(folder: string): Promise<string[]> {
  try {
    return (await readdir(join(folder, "additional_chat_templates"))).filter((name) => name.endsWith(".jinja")).sort();
  } catch (error) {
    if (isErrno(error) && (error.code === "ENOENT" || error.code === "ENOTDIR")) return [];
    throw error;
  }
}
