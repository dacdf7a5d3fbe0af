/** What every vocabulary model (BPE, Unigram, WordPiece, WordLevel) gives to the pipeline. */
export interface Model {
  /** The ids of one pre-token; the text is not empty. */
  tokenize(text: string): number[];
  tokenToId(token: string): number | undefined;
  idToToken(id: number): string | undefined;
  /** Number of tokens, added ones not counted. */
  readonly size: number;
  /** One more than the highest id. */
  readonly idCount: number;
}

/** A vocabulary in both directions. */
export class Vocabulary {
  readonly ids: ReadonlyMap<string, number>;
  readonly #tokens: string[] = [];

  constructor(ids: ReadonlyMap<string, number>) {
    for (const [token, id] of ids) this.#tokens[id] = token;
    this.ids = ids;
  }

  get size(): number {
    return this.ids.size;
  }

  get idCount(): number {
    return this.#tokens.length;
  }

  id(token: string): number | undefined {
    return this.ids.get(token);
  }

  token(id: number): string | undefined {
    return this.#tokens[id];
  }
}
