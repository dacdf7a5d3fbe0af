/**
 * The tokenizer that the rest of the project uses: text to ids and back, and conversations to text and ids, equal to
 * transformers' `PreTrainedTokenizerFast` over the same files.
 */
import { ChatTemplates, prepareMessages } from "./chat-template.ts";
import { addConfiguredTokens } from "./special-tokens.ts";
import { Fields } from "./tokenizer/fields.ts";
import { Pipeline } from "./tokenizer/pipeline.ts";

export interface EncodeOptions {
  /** Puts the special ids that the tokenizer asks for around the text (bos, cls …). Default true, as in Python. */
  addSpecialTokens?: boolean;
}

export interface DecodeOptions {
  /** Leaves special tokens out. Default false. */
  skipSpecialTokens?: boolean;
}

export interface ChatTemplateOptions {
  /** Tool schemas; null or left out means none, and an empty list is a list. */
  tools?: readonly unknown[] | null;
  /** Default false. */
  addGenerationPrompt?: boolean;
  /** More names for the template; they override everything else that it is given. */
  templateKwargs?: Readonly<Record<string, unknown>>;
  /** A named template of the tokenizer, or a template's text. Default: `tool_use` if tools were given, else `default`. */
  template?: string;
  /** What the template is given as `documents`. */
  documents?: readonly unknown[] | null;
  /** The clock of `strftime_now`; its local time is used. */
  now?: () => Date;
}

/** A conversation as the model reads it. */
export interface RenderedChat {
  text: string;
  ids: number[];
}

/** The files' contents, as they were read. */
export interface TokenizerFiles {
  /** Parsed tokenizer.json. */
  tokenizer: unknown;
  /** Parsed tokenizer_config.json; {} where there is none. */
  config: unknown;
  /** Parsed special_tokens_map.json; null where there is none. */
  specialTokensMap: unknown;
  /** Parsed added_tokens.json; null where there is none. */
  addedTokens: unknown;
  /** Chat templates by name. */
  templates: ReadonlyMap<string, string>;
  /** `eos_token_id` of generation_config.json, or of config.json: an id, a list, or nothing. */
  modelEos?: unknown;
  /** Where they came from, for messages. */
  source: string;
}

export class Tokenizer {
  /** The folder or hub id (with its commit) that this was loaded from. */
  readonly source: string;
  readonly #pipeline: Pipeline;
  readonly #named: ReadonlyMap<string, string>;
  readonly #templates: ChatTemplates;
  readonly #cleanUp: boolean;
  readonly #eosTokenIds: readonly number[];

  constructor(files: TokenizerFiles) {
    this.source = files.source;
    this.#pipeline = new Pipeline(files.tokenizer);
    const config = new Fields(files.config, "tokenizer_config.json");
    const optional = (json: unknown, name: string): Fields | null => (json === null ? null : new Fields(json, name));
    this.#named = addConfiguredTokens(this.#pipeline, {
      config,
      specialTokensMap: optional(files.specialTokensMap, "special_tokens_map.json"),
      addedTokens: optional(files.addedTokens, "added_tokens.json"),
    });
    this.#templates = new ChatTemplates(files.templates);
    this.#cleanUp = config.flag("clean_up_tokenization_spaces", false) && this.#pipeline.modelType !== "BPE";
    const ids = [this.eosTokenId, ...[files.modelEos].flat()].filter((id) => Number.isInteger(id));
    this.#eosTokenIds = [...new Set(ids as number[])];
  }

  /**
   * The text's ids. Lone surrogates, which Python refuses, become U+FFFD.
   * @example
   * tokenizer.encode("Hello", { addSpecialTokens: false });
   */
  encode(text: string, { addSpecialTokens = true }: EncodeOptions = {}): number[] {
    const ids = this.#pipeline.encode(text.toWellFormed());
    if (!addSpecialTokens) return ids;
    const { before, after } = this.#pipeline.affixes;
    return before.length + after.length === 0 ? ids : [...before, ...ids, ...after];
  }

  /** The ids' text; ids outside the vocabulary are left out, and cut characters become U+FFFD. */
  decode(ids: Iterable<number>, { skipSpecialTokens = false }: DecodeOptions = {}): string {
    const text = this.#pipeline.decode(ids, skipSpecialTokens);
    return this.#cleanUp ? cleanUpSpaces(text) : text;
  }

  /** A token's id; null where there is no such token. */
  tokenId(token: string): number | null {
    return this.#pipeline.tokenToId(token) ?? null;
  }

  /** An id's token as the vocabulary spells it; null outside the vocabulary. */
  token(id: number): string | null {
    return this.#pipeline.idToToken(id) ?? null;
  }

  /** One more than the highest id, so that `[0, idCount)` holds every token. */
  get idCount(): number {
    return this.#pipeline.idCount;
  }

  /** True for bos, eos and the other tokens that `skipSpecialTokens` leaves out. */
  isSpecial(id: number): boolean {
    const token = this.#pipeline.idToToken(id);
    return token !== undefined && this.#pipeline.added.isSpecial(token);
  }

  /** The named special tokens that are set: `bos_token`, `eos_token` and so on → text. */
  get specialTokens(): ReadonlyMap<string, string> {
    return this.#named;
  }

  /** The end-of-sequence token's id; null where the tokenizer names none. */
  get eosTokenId(): number | null {
    const eos = this.#named.get("eos_token");
    return eos === undefined ? null : this.tokenId(eos);
  }

  /**
   * Ids that end a turn: the end-of-sequence token, and what generation_config.json (or config.json) lists beside it,
   * such as separate tokens for the end of a message and of a turn.
   */
  get eosTokenIds(): readonly number[] {
    return this.#eosTokenIds;
  }

  /** null where the tokenizer names none. */
  get bosTokenId(): number | null {
    const bos = this.#named.get("bos_token");
    return bos === undefined ? null : this.tokenId(bos);
  }

  /** Names of the chat templates; empty where there is none. */
  get templateNames(): string[] {
    return this.#templates.names;
  }

  /**
   * The conversation as text and ids. Messages are prepared as transformers does: top-level nulls are dropped, and
   * reasoning is also given as `reasoning_content` and `thinking`.
   * @throws LachesisError `template_error` where the template, or Python in its place, raises
   * @example
   * const { text, ids } = tokenizer.applyChatTemplate([{ role: "user", content: "Hi" }], { addGenerationPrompt: true });
   */
  applyChatTemplate(messages: readonly unknown[], options: ChatTemplateOptions = {}): RenderedChat {
    const text = this.renderChat(messages, options);
    return { text, ids: this.encode(text, { addSpecialTokens: false }) };
  }

  /** The text alone of `applyChatTemplate`. */
  renderChat(messages: readonly unknown[], options: ChatTemplateOptions = {}): string {
    const tools = options.tools ?? null;
    const source = this.#templates.source(options.template ?? null, tools !== null);
    const names = new Map<string, unknown>([
      ["messages", prepareMessages(messages)],
      ["tools", tools],
      ["documents", options.documents ?? null],
      ["add_generation_prompt", options.addGenerationPrompt ?? false],
      ...this.#named,
      ...Object.entries(options.templateKwargs ?? {}),
    ]);
    return this.#templates.get(source).render(names, options.now === undefined ? {} : { now: options.now });
  }
}

/** Python's clean-up of spaces over a whole text, which transformers does for Unigram and WordPiece models. */
function cleanUpSpaces(text: string): string {
  return text
    .replaceAll(" .", ".")
    .replaceAll(" ?", "?")
    .replaceAll(" !", "!")
    .replaceAll(" ,", ",")
    .replaceAll(" ' ", "'")
    .replaceAll(" n't", "n't")
    .replaceAll(" 'm", "'m")
    .replaceAll(" 's", "'s")
    .replaceAll(" 've", "'ve")
    .replaceAll(" 're", "'re");
}
