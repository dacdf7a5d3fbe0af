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
/** More lists and objects than these also take seconds, in which nobody else is answered. */
const MOST_CONTAINERS = 4_000_000;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const OPEN_LIST = 0x5b;
const OPEN_OBJECT = 0x7b;

/** What the texts of one body take together. */
export class JsonCost {
  #bytes = 0;
  #containers = 0;
  #values = 0;

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
    if (cost > MOST_BYTES || this.#containers > MOST_CONTAINERS) {
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

/** For a text that is the only one of its body. Throws `InvalidBody`. */
export function requireAffordable(text: Uint8Array): void {
  if (text.byteLength >= SMALL_BYTES) new JsonCost().add(text);
}
