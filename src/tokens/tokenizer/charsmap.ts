/**
 * SentencePiece's precompiled character map: a double-array trie from UTF-8 bytes to replacements. As in the Rust crate
 * it is asked for each grapheme cluster under six bytes as a whole, where the first entry found along its bytes
 * replaces all of it, and else for each character.
 */
import { tokenizerError } from "./fields.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const graphemes = new Intl.Segmenter("und", { granularity: "grapheme" });

export class Charsmap {
  readonly #units: Uint32Array;
  /** The replacements, each ended by a zero byte. */
  readonly #texts: Uint8Array;
  readonly #known = new Map<string, string | null>();

  constructor(bytes: Uint8Array) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const size = bytes.byteLength < 4 ? -1 : view.getUint32(0, true);
    if (size < 4 || size % 4 !== 0 || 4 + size > bytes.byteLength) {
      throw tokenizerError("the precompiled_charsmap is damaged");
    }
    this.#units = Uint32Array.from({ length: size / 4 }, (_, index) => view.getUint32(4 + 4 * index, true));
    this.#texts = bytes.subarray(4 + size);
  }

  static fromBase64(text: string): Charsmap {
    return new Charsmap(Buffer.from(text, "base64"));
  }

  normalize(text: string): string {
    let result = "";
    for (const { segment } of graphemes.segment(text)) {
      const whole = encoder.encode(segment).length < 6 ? this.#lookUp(segment) : null;
      if (whole !== null) {
        result += whole;
        continue;
      }
      for (const char of segment) result += this.#lookUp(char) ?? char;
    }
    return result;
  }

  /** The replacement; null where no entry is found. */
  #lookUp(text: string): string | null {
    let found = this.#known.get(text);
    if (found === undefined) {
      found = this.#search(encoder.encode(text));
      if (this.#known.size < 20_000) this.#known.set(text, found);
    }
    return found;
  }

  #search(key: Uint8Array): string | null {
    const units = this.#units;
    let position = offsetOf(units[0]!);
    for (const byte of key) {
      if (byte === 0) return null;
      position ^= byte;
      const unit = units[position];
      if (unit === undefined || (unit & 0x800000ff) !== byte) return null;
      position ^= offsetOf(unit);
      if ((unit & 0x100) !== 0) return this.#textAt(units[position]! & 0x7fffffff);
    }
    return null;
  }

  #textAt(start: number): string {
    const end = this.#texts.indexOf(0, start);
    return decoder.decode(this.#texts.subarray(start, end < 0 ? this.#texts.length : end));
  }
}

const offsetOf = (unit: number): number => (unit >>> 10) << ((unit & 0x200) >>> 6);
