/**
 * The Unigram model of SentencePiece: the segmentation of highest total score (Viterbi). What no token covers becomes
 * the unknown token, neighbouring ones as one, or its bytes where the vocabulary falls back to them.
 */
import { type Fields, tokenizerError } from "./fields.ts";
import { type Model, Vocabulary } from "./model.ts";

/** How much worse than the worst token an unknown character is. */
const UNKNOWN_PENALTY = 10;

interface Node {
  next: Map<string, Node>;
  id: number;
}

const encoder = new TextEncoder();

export class Unigram implements Model {
  readonly #vocabulary: Vocabulary;
  readonly #scores: readonly number[];
  readonly #root: Node = { next: new Map(), id: -1 };
  readonly #unkId: number | null;
  readonly #unkScore: number;
  readonly #byteFallback: boolean;

  constructor(entries: readonly [token: string, score: number][], unkId: number | null, byteFallback: boolean) {
    this.#vocabulary = new Vocabulary(new Map(entries.map(([token], id) => [token, id])));
    this.#scores = entries.map(([, score]) => score);
    this.#unkId = unkId;
    this.#byteFallback = byteFallback;
    let worst = Number.POSITIVE_INFINITY;
    for (const [token, score] of entries) {
      worst = Math.min(worst, score);
      const id = this.#vocabulary.id(token);
      if (token !== "" && id !== undefined) this.#insert(token, id);
    }
    this.#unkScore = worst - UNKNOWN_PENALTY;
  }

  static fromJson(fields: Fields): Unigram {
    const entries = fields.list("vocab").map((entry, index): [string, number] => {
      if (Array.isArray(entry) && typeof entry[0] === "string" && typeof entry[1] === "number") {
        return [entry[0], asCrateReads(entry[1])];
      }
      throw tokenizerError(`${fields.where}.vocab[${index}] must be [token, score]`);
    });
    const unkId = fields.has("unk_id") ? fields.number("unk_id") : null;
    return new Unigram(entries, unkId, fields.flag("byte_fallback", false));
  }

  #insert(token: string, id: number): void {
    let node = this.#root;
    for (let i = 0; i < token.length; i++) {
      let child = node.next.get(token[i]!);
      if (child === undefined) {
        child = { next: new Map(), id: -1 };
        node.next.set(token[i]!, child);
      }
      node = child;
    }
    node.id = id;
  }

  get size(): number {
    return this.#scores.length;
  }

  get idCount(): number {
    return this.#scores.length;
  }

  tokenToId(token: string): number | undefined {
    return this.#vocabulary.id(token);
  }

  idToToken(id: number): string | undefined {
    return this.#vocabulary.token(id);
  }

  tokenize(text: string): number[] {
    const ids: number[] = [];
    for (const part of this.#segment(text)) {
      const id = this.#vocabulary.id(part);
      if (id !== undefined) ids.push(id);
      else ids.push(...(this.#bytes(part) ?? [this.#unknown()]));
    }
    return ids;
  }

  #unknown(): number {
    if (this.#unkId === null) throw tokenizerError("the text needs an unknown token, and the model has none");
    return this.#unkId;
  }

  #bytes(part: string): number[] | null {
    if (!this.#byteFallback) return null;
    const ids: number[] = [];
    for (const byte of encoder.encode(part)) {
      const id = this.#vocabulary.id(`<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`);
      if (id === undefined) return null;
      ids.push(id);
    }
    return ids;
  }

  /** The best path's parts, a run of unknown characters being one. */
  #segment(text: string): string[] {
    const size = text.length;
    const score = new Float64Array(size + 1);
    const from = new Int32Array(size + 1).fill(-1);
    const known = new Uint8Array(size + 1);
    const reach = (start: number, end: number, candidate: number, isKnown: boolean): void => {
      if (from[end]! >= 0 && candidate <= score[end]!) return;
      score[end] = candidate;
      from[end] = start;
      known[end] = isKnown ? 1 : 0;
    };
    for (let start = 0; start < size; ) {
      const here = score[start]!;
      const length = text.codePointAt(start)! > 0xffff ? 2 : 1;
      let single = false;
      let node = this.#root.next.get(text[start]!);
      for (let end = start + 1; node !== undefined; end++) {
        if (node.id >= 0) {
          reach(start, end, this.#scores[node.id]! + here, node.id !== this.#unkId);
          single ||= end - start === length;
        }
        if (end >= size) break;
        node = node.next.get(text[end]!);
      }
      if (!single) {
        this.#unknown();
        reach(start, start + length, this.#unkScore + here, false);
      }
      start += length;
    }
    return joined(text, from, known);
  }
}

/**
 * A score as the crate's JSON reader gets it from the shortest decimal: digits as an integer divided by a power of ten,
 * which is off by a rounding where there are 17 digits. It decides between paths that are otherwise equal.
 */
export function asCrateReads(score: number): number {
  const decimal = /^(-?)(\d+)(?:\.(\d+))?$/.exec(String(score));
  if (decimal === null) return score;
  const [, sign, whole, fraction = ""] = decimal;
  const digits = `${whole}${fraction}`.replace(/^0+/, "");
  if (digits.length <= 15) return score;
  const value = Number(BigInt(digits)) / Number(`1e${fraction.length}`);
  return sign === "" ? value : -value;
}

function joined(text: string, from: Int32Array, known: Uint8Array): string[] {
  const parts: string[] = [];
  let unknownEnd = -1;
  for (let end = text.length; end > 0; end = from[end]!) {
    if (known[end] === 0) {
      if (unknownEnd < 0) unknownEnd = end;
      continue;
    }
    if (unknownEnd >= 0) parts.push(text.slice(end, unknownEnd));
    unknownEnd = -1;
    parts.push(text.slice(from[end]!, end));
  }
  if (unknownEnd >= 0) parts.push(text.slice(0, unknownEnd));
  return parts.reverse();
}
