/** The models that look words up: WordPiece takes the longest known beginning again and again, WordLevel the whole word. */
import { type Fields, tokenizerError } from "./fields.ts";
import type { Model, Vocabulary } from "./model.ts";

abstract class VocabularyModel implements Model {
  protected readonly vocabulary: Vocabulary;
  readonly #unkToken: string;

  constructor(vocabulary: Vocabulary, unkToken: string) {
    this.vocabulary = vocabulary;
    this.#unkToken = unkToken;
  }

  abstract tokenize(text: string): number[];

  get size(): number {
    return this.vocabulary.size;
  }

  get idCount(): number {
    return this.vocabulary.idCount;
  }

  tokenToId(token: string): number | undefined {
    return this.vocabulary.id(token);
  }

  idToToken(id: number): string | undefined {
    return this.vocabulary.token(id);
  }

  protected unknown(): number {
    const id = this.vocabulary.id(this.#unkToken);
    if (id === undefined) throw tokenizerError(`the unknown token ${this.#unkToken} is not in the vocabulary`);
    return id;
  }
}

export class WordPiece extends VocabularyModel {
  readonly #prefix: string;
  readonly #longest: number;

  constructor(fields: Fields, vocabulary: Vocabulary) {
    super(vocabulary, fields.text("unk_token", "[UNK]"));
    this.#prefix = fields.text("continuing_subword_prefix", "##");
    this.#longest = fields.number("max_input_chars_per_word", 100);
  }

  tokenize(text: string): number[] {
    const chars = [...text];
    if (chars.length > this.#longest) return [this.unknown()];
    const ids: number[] = [];
    for (let start = 0; start < chars.length; ) {
      let end = chars.length;
      let id: number | undefined;
      for (; end > start && id === undefined; end--) {
        const part = chars.slice(start, end).join("");
        id = this.vocabulary.id(start > 0 ? this.#prefix + part : part);
      }
      if (id === undefined) return [this.unknown()];
      ids.push(id);
      start = end + 1;
    }
    return ids;
  }
}

export class WordLevel extends VocabularyModel {
  constructor(fields: Fields, vocabulary: Vocabulary) {
    super(vocabulary, fields.text("unk_token", "<unk>"));
  }

  tokenize(text: string): number[] {
    return [this.vocabulary.id(text) ?? this.unknown()];
  }
}
