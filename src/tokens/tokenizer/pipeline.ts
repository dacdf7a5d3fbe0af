/**
 * The tokenizer of a tokenizer.json, run as the Rust crate runs it: added tokens are cut out, the rest is normalized,
 * pre-tokenized and given to the model piece by piece. Truncation and padding that the file asks for are not done.
 */
import { type AddedToken, AddedTokens } from "./added-tokens.ts";
import { type Decoder, readDecoder } from "./decoders.ts";
import { Fields } from "./fields.ts";
import type { Model } from "./model.ts";
import { readModel } from "./models.ts";
import { type Normalizer, readNormalizer } from "./normalizers.ts";
import { type Affixes, readPostProcessor } from "./post-processors.ts";
import { type PreTokenizer, readPreTokenizer } from "./pre-tokenizers.ts";

/** Pre-tokens longer than this are rare and not worth keeping. */
const CACHED_LENGTH = 64;
/** About 10 MB at most; the oldest half goes when it is full. */
const CACHE_SIZE = 50_000;

export class Pipeline {
  readonly model: Model;
  readonly modelType: string;
  readonly added = new AddedTokens();
  /** Special ids around a text. */
  readonly affixes: Affixes;
  /** The file's own `added_tokens`, by the id that it states. */
  readonly fileTokens: ReadonlyMap<number, AddedToken>;
  /** The padding token, where the file asks for padding; null otherwise. */
  readonly padToken: string | null;
  readonly #normalize: Normalizer;
  readonly #preTokenize: PreTokenizer;
  readonly #decode: Decoder | null;
  readonly #cache = new Map<string, number[]>();
  /** Whether the pre-tokenizer asks where the text begins, and the normalizer strips that away. */
  readonly #asksFirst: boolean;

  constructor(json: unknown) {
    const fields = new Fields(json, "tokenizer.json");
    const model = readModel(fields);
    this.model = model.model;
    this.modelType = model.type;
    this.#normalize = readNormalizer(fields.object("normalizer"));
    this.#preTokenize = readPreTokenizer(fields.object("pre_tokenizer"));
    const says = (name: string, what: string): boolean => JSON.stringify(fields.json[name] ?? null).includes(what);
    this.#asksFirst = says("pre_tokenizer", '"prepend_scheme":"first"') && says("normalizer", '"strip_left":true');
    this.affixes = readPostProcessor(fields.object("post_processor"));
    this.padToken = fields.object("padding")?.text("pad_token", "[PAD]") ?? null;
    const decoder = fields.object("decoder");
    this.#decode = decoder === null ? null : readDecoder(decoder);
    const listed = fields.objects("added_tokens");
    this.fileTokens = new Map(listed.map((token) => [token.number("id"), readAddedToken(token, false)]));
    this.add(listed.map((token) => readAddedToken(token, false)));
  }

  add(tokens: readonly AddedToken[]): void {
    this.added.add(tokens, this.model, this.#normalize);
  }

  tokenToId(token: string): number | undefined {
    return this.added.id(token) ?? this.model.tokenToId(token);
  }

  idToToken(id: number): string | undefined {
    return this.added.token(id)?.content ?? this.model.idToToken(id);
  }

  get idCount(): number {
    return Math.max(this.model.idCount, this.added.idCount);
  }

  encode(text: string): number[] {
    const ids: number[] = [];
    for (const raw of this.added.cutRaw(text)) {
      if (raw.id !== null) {
        ids.push(raw.id);
        continue;
      }
      const normalized = this.#normalize(raw.text);
      const first = raw.start === 0 && !(this.#asksFirst && this.#lostStart(raw.text, normalized));
      for (const segment of this.added.cutNormalized(normalized)) {
        if (segment.id !== null) ids.push(segment.id);
        else this.#encodeSegment(segment.text, first && segment.start === 0, ids);
      }
    }
    return ids;
  }

  /** Whether the normalizer took the text's first character away: what is left does not begin where the input did. */
  #lostStart(text: string, normalized: string): boolean {
    if (normalized === text || text === "") return false;
    const rest = text.slice((text.codePointAt(0) ?? 0) > 0xffff ? 2 : 1);
    return this.#normalize(rest) === normalized;
  }

  #encodeSegment(text: string, first: boolean, ids: number[]): void {
    for (const piece of this.#preTokenize([{ text, first }])) {
      for (const id of this.#pieceIds(piece.text)) ids.push(id);
    }
  }

  #pieceIds(text: string): number[] {
    if (text.length > CACHED_LENGTH) return this.model.tokenize(text);
    const known = this.#cache.get(text);
    if (known !== undefined) return known;
    const ids = this.model.tokenize(text);
    if (this.#cache.size >= CACHE_SIZE) this.#forgetHalf();
    this.#cache.set(text, ids);
    return ids;
  }

  #forgetHalf(): void {
    let left = CACHE_SIZE / 2;
    for (const key of this.#cache.keys()) {
      if (left-- <= 0) return;
      this.#cache.delete(key);
    }
  }

  /** Ids outside the vocabulary are left out. */
  decode(ids: Iterable<number>, skipSpecialTokens: boolean): string {
    const tokens: string[] = [];
    for (const id of ids) {
      const token = this.added.textToDecode(id) ?? this.model.idToToken(id);
      if (token !== undefined && !(skipSpecialTokens && this.added.isSpecial(token))) tokens.push(token);
    }
    return this.#decode === null ? tokens.join(" ") : this.#decode(tokens).join("");
  }
}

/** An entry of `added_tokens` or `added_tokens_decoder`. */
export function readAddedToken(fields: Fields, special: boolean): AddedToken {
  const isSpecial = fields.flag("special", special);
  return {
    content: fields.text("content"),
    singleWord: fields.flag("single_word", false),
    lstrip: fields.flag("lstrip", false),
    rstrip: fields.flag("rstrip", false),
    normalized: fields.flag("normalized", !isSpecial),
    special: isSpecial,
  };
}
