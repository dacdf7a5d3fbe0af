/**
 * What reading a JSON text would take in memory, before it is read: a quarter of a gigabyte of empty lists becomes many
 * times that, more than the process may have, and nothing catches its end.
 */
import { InvalidBody } from "./problem-detail.ts";

/** Texts below this cannot become too large. */
const SMALL_BYTES = 4 * 1024 ** 2;
const MOST_BYTES = 1.5 * 1024 ** 3;
const PER_CONTAINER = 64;
const PER_VALUE = 24;
/**
 * More lists and objects than these also take seconds, in which nobody else is answered. A log-probability with its token
 * takes some 22 bytes for each: the largest body can be full of them.
 */
const MOST_CONTAINERS = 12_000_000;
/** Of texts whose numbers stay as they came: reading those takes three times as long. */
const MOST_EXACT = 4_000_000;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const OPEN_LIST = 0x5b;
const OPEN_OBJECT = 0x7b;

/** What the texts of one body take together. */
export class JsonCost {
  readonly #mostContainers: number;
  #bytes = 0;
  #containers = 0;
  #values = 0;

  constructor({ exact = false } = {}) {
    this.#mostContainers = exact ? MOST_EXACT : MOST_CONTAINERS;
  }

  /** To be asked before the text is read. Throws `InvalidBody`. */
  add(text: Uint8Array): void {
    let containers = 0;
    let values = 0;
    for (let at = 0; at < text.byteLength; at++) {
      const byte = text[at];
      // What stands in a text is only a text: conversations are full of brackets.
      if (byte === QUOTE) at = closingQuote(text, at);
      else if (byte === COMMA) values++;
      else if (byte === OPEN_LIST || byte === OPEN_OBJECT) containers++;
    }
    this.#bytes += text.byteLength;
    this.#containers += containers;
    this.#values += values;
    const cost = 2 * this.#bytes + this.#containers * PER_CONTAINER + this.#values * PER_VALUE;
    if (cost > MOST_BYTES || this.#containers > this.#mostContainers) {
      const msg = `Reading ${this.#containers} lists and objects with ${this.#values} values would take too much memory and time; send less at once`;
      throw new InvalidBody([{ type: "too_long", loc: ["body"], msg }]);
    }
  }
}

function closingQuote(text: Uint8Array, quote: number): number {
  let at = quote + 1;
  while (at < text.byteLength && text[at] !== QUOTE) at += text[at] === BACKSLASH ? 2 : 1;
  return at;
}

/** For what is read of a body; null where it is too small to become too large. */
export function costWithin(body: Uint8Array): JsonCost | null {
  return body.byteLength < SMALL_BYTES ? null : new JsonCost();
}
