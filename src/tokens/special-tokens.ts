/**
 * What the files beside tokenizer.json say about tokens: the named ones (bos, eos, …) and those to be added at loading.
 * The truth is `PreTrainedTokenizerFast.from_pretrained` of transformers 5, whose order of steps is kept, since ids of
 * new tokens and what counts as special hang on it.
 */
import { isObject } from "../core/index.ts";
import type { AddedToken } from "./tokenizer/added-tokens.ts";
import { Fields } from "./tokenizer/fields.ts";
import { type Pipeline, readAddedToken } from "./tokenizer/pipeline.ts";

/** The names that transformers knows, in its order. */
const NAMES = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

export interface TokenFiles {
  /** Parsed tokenizer_config.json. */
  config: Fields;
  /** Parsed special_tokens_map.json; null where there is none. Read only where the configuration lists no added tokens. */
  specialTokensMap: Fields | null;
  /** Parsed added_tokens.json (token → id), of old tokenizers; null where there is none. */
  addedTokens: Fields | null;
}

type Token = AddedToken | string;

const contentOf = (token: Token): string => (typeof token === "string" ? token : token.content);

/** Adds the files' tokens to the pipeline; gives the named tokens that are set, in transformers' order. */
export function addConfiguredTokens(pipeline: Pipeline, files: TokenFiles): Map<string, string> {
  const json: Record<string, unknown> = { ...files.config.json };
  const legacy = json.added_tokens_decoder === undefined;
  if (legacy && files.specialTokensMap !== null) Object.assign(json, files.specialTokensMap.json);
  // Padding that tokenizer.json asks for names the padding token, unless the configuration does.
  if (json.pad_token === undefined && pipeline.padToken !== null) json.pad_token = pipeline.padToken;
  const config = new Fields(json, files.config.where);
  const listed = legacy ? legacyTokens(pipeline, config, files.addedTokens) : readListed(config);
  const named = readNamed(config, new Map([...listed.values()].map((token) => [token.content, token])));
  const extra = readExtra(config);

  const toAdd: Token[] = [...listed].sort(([a], [b]) => a - b).map(([, token]) => token);
  const known = new Set([...pipeline.added.contents(), ...toAdd.map(contentOf)]);
  for (const token of [...named.values(), ...extra]) {
    if (known.has(contentOf(token))) continue;
    known.add(contentOf(token));
    toAdd.push(token);
  }
  const names = new Set([...named.values()].map(contentOf));
  pipeline.add(toAdd.map((token) => completed(token, names)));
  return new Map([...named].map(([name, token]) => [name, contentOf(token)]));
}

/** A bare text is a special token; a named one becomes special. */
function completed(token: Token, names: ReadonlySet<string>): AddedToken {
  if (typeof token !== "string") return { ...token, special: token.special || names.has(token.content) };
  return { content: token, singleWord: false, lstrip: false, rstrip: false, normalized: false, special: true };
}

/** A token as a text or an object; null where the field is neither. */
function readToken(config: Fields, name: string): Token | null {
  const value = config.json[name];
  if (typeof value === "string") return value;
  return isObject(value) && "content" in value
    ? readAddedToken(new Fields(value, `${config.where}.${name}`), true)
    : null;
}

/** The seven usual names, then every other field that ends in `_token`, as multimodal models have them. */
function readNamed(config: Fields, listed: ReadonlyMap<string, AddedToken>): Map<string, Token> {
  const named = new Map<string, Token>();
  const others = Object.keys(config.json).filter((name) => name.endsWith("_token") && !NAMES.includes(name));
  for (const name of [...NAMES, ...others]) {
    const token = readToken(config, name);
    if (token === null || contentOf(token) === "") continue;
    named.set(name, NAMES.includes(name) ? (listed.get(contentOf(token)) ?? token) : token);
  }
  const extra = config.json.extra_special_tokens;
  if (isObject(extra)) {
    const fields = new Fields(extra, `${config.where}.extra_special_tokens`);
    for (const name of Object.keys(extra)) {
      const token = readToken(fields, name);
      if (token !== null) named.set(name, token);
    }
  }
  return named;
}

/** `extra_special_tokens`, which used to be called `additional_special_tokens`, as a list. */
function readExtra(config: Fields): Token[] {
  const extra = config.json.extra_special_tokens;
  const filled = Array.isArray(extra) ? extra.length > 0 : isObject(extra) && Object.keys(extra).length > 0;
  const name = filled ? "extra_special_tokens" : "additional_special_tokens";
  const value = config.json[name];
  if (!Array.isArray(value)) return [];
  return value.map((item: unknown, index) => {
    if (typeof item === "string") return item;
    return readAddedToken(new Fields(item, `${config.where}.${name}[${index}]`), true);
  });
}

/** `added_tokens_decoder`: id → token. */
function readListed(config: Fields): Map<number, AddedToken> {
  const decoder = config.object("added_tokens_decoder");
  if (decoder === null) return new Map();
  return new Map(
    Object.entries(decoder.json).map(([id, token]) => [
      Number(id),
      readAddedToken(new Fields(token, `${decoder.where}.${id}`), false),
    ]),
  );
}

/** Where the configuration lists nothing: added_tokens.json, under what tokenizer.json itself adds. */
function legacyTokens(pipeline: Pipeline, config: Fields, added: Fields | null): Map<number, AddedToken> {
  const tokens = new Map<number, AddedToken>();
  const special = new Set(readNamed(config, new Map()).values().map(contentOf));
  for (const token of readExtra(config)) special.add(contentOf(token));
  for (const content of Object.keys(added?.json ?? {})) {
    const isSpecial = special.has(content);
    tokens.set(added!.number(content), {
      content,
      singleWord: false,
      lstrip: false,
      rstrip: false,
      normalized: !isSpecial,
      special: isSpecial,
    });
  }
  for (const [id, token] of pipeline.fileTokens) tokens.set(id, token);
  return tokens;
}
