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

/** @param texts All that are read from one body. Throws `InvalidBody`. */
export function requireAffordable(
  texts: Uint8Array | readonly Uint8Array[],
  loc: (string | number)[] = ["body"],
): void {
  const all = texts instanceof Uint8Array ? [texts] : texts;
  const bytes = all.reduce((sum, text) => sum + text.byteLength, 0);
  if (bytes < SMALL_BYTES) return;
  let containers = 0;
  let values = 0;
  for (const text of all) {
    for (let at = 0; at < text.byteLength; at++) {
      const byte = text[at];
      if (byte === 0x2c) values++;
      else if (byte === 0x5b || byte === 0x7b) containers++;
    }
  }
  const cost = 2 * bytes + containers * PER_CONTAINER + values * PER_VALUE;
  if (cost > MOST_BYTES || containers > MOST_CONTAINERS) {
    const msg = `Reading ${containers} lists and objects with ${values} values would take too much memory and time; send less at once`;
    throw new InvalidBody([{ type: "too_long", loc, msg }]);
  }
}
