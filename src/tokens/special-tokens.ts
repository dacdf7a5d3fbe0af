/**
 * What tokenizer_config.json says about tokens: the named ones (bos, eos, …), those to be added at loading, and whether
 * bos and eos are put around a text. The truth is `PreTrainedTokenizerFast.from_pretrained` of transformers 5.
 */
import { isObject } from "../core/index.ts";
import type { AddedToken } from "./tokenizer/added-tokens.ts";
import { Fields } from "./tokenizer/fields.ts";
import { type Pipeline, readAddedToken } from "./tokenizer/pipeline.ts";

/** The names that transformers knows, in its order. */
const NAMES = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"] as const;

export interface SpecialTokens {
  /** Those that are set, in transformers' order: what a chat template is given. */
  named: Map<string, string>;
}

/** Adds the configuration's tokens to the pipeline and sets what stands around a text. */
export function applyTokenizerConfig(pipeline: Pipeline, config: Fields): SpecialTokens {
  const named = new Map<string, AddedToken | string>();
  for (const name of NAMES) {
    const token = readToken(config, name);
    if (token !== null) named.set(name, token);
  }
  const extra = readExtra(config);
  const listed = readListed(config);
  pipeline.add(listed.filter((token) => !pipeline.added.has(token)));
  const specials = [...named.values(), ...extra];
  pipeline.add(specials.map(asSpecial));
  const content = (token: AddedToken | string): string => (typeof token === "string" ? token : token.content);
  const texts = new Map([...named].map(([name, token]) => [name, content(token)]));
  setAffixes(pipeline, config, texts);
  return { named: texts };
}

const asSpecial = (token: AddedToken | string): AddedToken =>
  typeof token === "string"
    ? { content: token, singleWord: false, lstrip: false, rstrip: false, normalized: false, special: true }
    : { ...token, special: true };

function readToken(config: Fields, name: string): AddedToken | string | null {
  const value = config.json[name];
  if (value === undefined || value === null) return null;
  return isObject(value) ? readAddedToken(new Fields(value, `${config.where}.${name}`), true) : config.text(name);
}

function readExtra(config: Fields): (AddedToken | string)[] {
  const value = config.json.extra_special_tokens ?? config.json.additional_special_tokens;
  const items = Array.isArray(value) ? value : isObject(value) ? Object.values(value) : [];
  return items.map((item, index) => {
    if (typeof item === "string") return item;
    return readAddedToken(new Fields(item, `${config.where}.extra_special_tokens[${index}]`), true);
  });
}

/** `added_tokens_decoder`, by id. */
function readListed(config: Fields): AddedToken[] {
  const decoder = config.object("added_tokens_decoder");
  if (decoder === null) return [];
  return Object.entries(decoder.json)
    .toSorted(([a], [b]) => Number(a) - Number(b))
    .map(([id, token]) => readAddedToken(new Fields(token, `${decoder.where}.${id}`), false));
}

/** `add_bos_token` and `add_eos_token`, where they are set, take the place of the file's post-processor. */
function setAffixes(pipeline: Pipeline, config: Fields, named: ReadonlyMap<string, string>): void {
  const explicit = "add_bos_token" in config.json || "add_eos_token" in config.json;
  if (!explicit && pipeline.hasPostProcessor) return;
  const ids = (flag: string, name: string): number[] => {
    const token = named.get(name);
    const id = config.flag(flag, false) && token !== undefined ? pipeline.tokenToId(token) : undefined;
    return id === undefined ? [] : [id];
  };
  pipeline.affixes = { before: ids("add_bos_token", "bos_token"), after: ids("add_eos_token", "eos_token") };
}
