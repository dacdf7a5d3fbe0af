/**
 * Byte-pair encoding as the Rust crate does it: characters become symbols, and of all neighbouring pairs the one of
 * lowest rank (the leftmost of equals) is merged until none is left. A heap over a linked list keeps long words, which
 * tokenizers without a pre-tokenizer make of whole documents, at n log n.
 */
import { type Fields, tokenizerError } from "./fields.ts";
import type { Model, Vocabulary } from "./model.ts";
import { PairTable } from "./pair-table.ts";

interface BpeOptions {
  unkToken: string | null;
  continuingPrefix: string;
  endSuffix: string;
  fuseUnk: boolean;
  byteFallback: boolean;
  ignoreMerges: boolean;
}

const encoder = new TextEncoder();

export class Bpe implements Model {
  readonly #vocabulary: Vocabulary;
  readonly #pairs: PairTable;
  readonly #options: BpeOptions;
  /** `[byte]` → id of its `<0xNN>` token, null where the vocabulary lacks one. */
  readonly #byteIds: (number | null)[] = [];

  constructor(vocabulary: Vocabulary, merges: Iterable<[string, string]>, options: BpeOptions) {
    this.#vocabulary = vocabulary;
    this.#options = options;
    this.#pairs = new PairTable();
    let rank = 0;
    for (const [left, right] of merges) {
      const a = vocabulary.id(left);
      const b = vocabulary.id(right);
      const joined = vocabulary.id(left + right.slice(options.continuingPrefix.length));
      if (a === undefined || b === undefined || joined === undefined) {
        throw tokenizerError(
          `merge ${rank} joins ${JSON.stringify([left, right])}, which the vocabulary does not know`,
        );
      }
      this.#pairs.set(a, b, rank++, joined);
    }
    for (let byte = 0; byte < 256; byte++) {
      this.#byteIds.push(vocabulary.id(`<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`) ?? null);
    }
  }

  static fromJson(fields: Fields, vocabulary: Vocabulary): Bpe {
    return new Bpe(vocabulary, readMerges(fields), {
      unkToken: fields.has("unk_token") ? fields.text("unk_token") : null,
      continuingPrefix: fields.text("continuing_subword_prefix", ""),
      endSuffix: fields.text("end_of_word_suffix", ""),
      fuseUnk: fields.flag("fuse_unk", false),
      byteFallback: fields.flag("byte_fallback", false),
      ignoreMerges: fields.flag("ignore_merges", false),
    });
  }

  get size(): number {
    return this.#vocabulary.size;
  }

  get idCount(): number {
    return this.#vocabulary.idCount;
  }

  tokenToId(token: string): number | undefined {
    return this.#vocabulary.id(token);
  }

  idToToken(id: number): string | undefined {
    return this.#vocabulary.token(id);
  }

  tokenize(text: string): number[] {
    if (this.#options.ignoreMerges) {
      const whole = this.#vocabulary.id(text);
      if (whole !== undefined) return [whole];
    }
    return this.#merge(this.#symbols(text));
  }

  #symbols(text: string): number[] {
    const { continuingPrefix, endSuffix, unkToken, fuseUnk, byteFallback } = this.#options;
    const ids: number[] = [];
    let unk: number | null = null;
    const unkId = (): number => {
      const id = unkToken === null ? undefined : this.#vocabulary.id(unkToken);
      if (id === undefined) throw tokenizerError(`the unknown token ${unkToken} is not in the vocabulary`);
      return id;
    };
    let at = 0;
    for (const char of text) {
      let symbol = char;
      if (at > 0) symbol = continuingPrefix + symbol;
      at += char.length;
      if (at === text.length) symbol += endSuffix;
      const id = this.#vocabulary.id(symbol);
      if (id !== undefined) {
        if (unk !== null) ids.push(unk);
        unk = null;
        ids.push(id);
        continue;
      }
      const bytes = byteFallback ? this.#bytes(symbol) : null;
      if (bytes !== null) {
        ids.push(...bytes);
      } else if (unkToken !== null) {
        if (unk !== null && !fuseUnk) ids.push(unk);
        unk ??= unkId();
      }
    }
    if (unk !== null) ids.push(unk);
    return ids;
  }

  #bytes(symbol: string): number[] | null {
    const ids: number[] = [];
    for (const byte of encoder.encode(symbol)) {
      const id = this.#byteIds[byte];
      if (id === null || id === undefined) return null;
      ids.push(id);
    }
    return ids;
  }

  #merge(ids: number[]): number[] {
    const count = ids.length;
    if (count < 2) return ids;
    return count <= 24 ? this.#mergeShort(ids) : this.#mergeLong(ids);
  }

  /** For ordinary words a scan for the best pair is faster than a heap. */
  #mergeShort(ids: number[]): number[] {
    const pairs = this.#pairs;
    for (;;) {
      let best = -1;
      let bestRank = Number.POSITIVE_INFINITY;
      for (let i = 0; i + 1 < ids.length; i++) {
        const slot = pairs.find(ids[i]!, ids[i + 1]!);
        if (slot >= 0 && pairs.rank(slot) < bestRank) {
          bestRank = pairs.rank(slot);
          best = i;
        }
      }
      if (best < 0) return ids;
      ids.splice(best, 2, pairs.joined(pairs.find(ids[best]!, ids[best + 1]!)));
    }
  }

  #mergeLong(ids: number[]): number[] {
    const pairs = this.#pairs;
    const count = ids.length;
    const symbol = Int32Array.from(ids);
    const next = new Int32Array(count);
    const previous = new Int32Array(count);
    for (let i = 0; i < count; i++) {
      next[i] = i + 1 < count ? i + 1 : -1;
      previous[i] = i - 1;
    }
    const heap = new MergeHeap();
    const offer = (position: number): void => {
      const after = next[position]!;
      if (after < 0) return;
      const slot = pairs.find(symbol[position]!, symbol[after]!);
      if (slot >= 0) heap.push(pairs.rank(slot), position, pairs.joined(slot));
    };
    for (let i = 0; i + 1 < count; i++) offer(i);
    while (heap.pop()) {
      const position = heap.position;
      const after = next[position]!;
      if (symbol[position]! < 0 || after < 0) continue;
      const slot = pairs.find(symbol[position]!, symbol[after]!);
      // The pair that was offered may be gone; what stands there now has its own entry.
      if (slot < 0 || pairs.joined(slot) !== heap.joined) continue;
      symbol[position] = heap.joined;
      symbol[after] = -1;
      const beyond = next[after]!;
      next[position] = beyond;
      if (beyond >= 0) previous[beyond] = position;
      if (previous[position]! >= 0) offer(previous[position]!);
      offer(position);
    }
    const result: number[] = [];
    for (let i = 0; i >= 0; i = next[i]!) result.push(symbol[i]!);
    return result;
  }
}

/** A binary heap of offered merges, smallest rank first, then leftmost. Parallel arrays: it holds one per symbol. */
class MergeHeap {
  readonly #keys: number[] = [];
  readonly #joined: number[] = [];
  /** Of the entry that `pop` took out. */
  position = 0;
  joined = 0;

  push(rank: number, position: number, joined: number): void {
    const keys = this.#keys;
    const values = this.#joined;
    // Rank and position in one number: both stay below 2^26 (67 million), far above any vocabulary or word.
    const key = rank * 0x4000000 + position;
    let at = keys.length;
    keys.push(key);
    values.push(joined);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (keys[parent]! <= key) break;
      keys[at] = keys[parent]!;
      values[at] = values[parent]!;
      at = parent;
    }
    keys[at] = key;
    values[at] = joined;
  }

  /** False when the heap is empty. */
  pop(): boolean {
    const keys = this.#keys;
    const values = this.#joined;
    if (keys.length === 0) return false;
    this.position = keys[0]! % 0x4000000;
    this.joined = values[0]!;
    const key = keys.pop()!;
    const value = values.pop()!;
    const count = keys.length;
    if (count === 0) return true;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= count) break;
      if (child + 1 < count && keys[child + 1]! < keys[child]!) child++;
      if (keys[child]! >= key) break;
      keys[at] = keys[child]!;
      values[at] = values[child]!;
      at = child;
    }
    keys[at] = key;
    values[at] = value;
    return true;
  }
}

function* readMerges(fields: Fields): Iterable<[string, string]> {
  for (const [index, merge] of fields.list("merges").entries()) {
    if (typeof merge === "string") {
      const parts = merge.split(" ");
      if (parts.length !== 2) throw tokenizerError(`${fields.where}.merges[${index}] is not a pair`);
      yield [parts[0]!, parts[1]!];
    } else if (Array.isArray(merge) && typeof merge[0] === "string" && typeof merge[1] === "string") {
      yield [merge[0], merge[1]];
    } else throw tokenizerError(`${fields.where}.merges[${index}] is not a pair`);
  }
}
