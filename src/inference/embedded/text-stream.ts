/**
 * Text of tokens as they arrive. What was given out never changes: a character whose bytes are not complete is held
 * back, and so is the beginning of what might become a stop string.
 */
export class TextStream {
  readonly #decode: (tokens: readonly number[]) => string;
  readonly #stops: readonly string[];
  #pending: number[] = [];
  #given = 0;
  /** All text up to the last whole character. */
  text = "";
  /** The stop string that was met; `text` ends before it. */
  matched: string | null = null;

  /** `decode` gives the text of some tokens; that of a whole answer is the parts' text joined. */
  constructor(decode: (tokens: readonly number[]) => string, stops: readonly string[] = []) {
    this.#decode = decode;
    this.#stops = stops.filter((stop) => stop !== "");
  }

  /** Adds a token; true when it completes a stop string. */
  add(token: number): boolean {
    if (this.matched !== null) return true;
    this.#pending.push(token);
    const decoded = this.#decode(this.#pending);
    // Perhaps a character whose other bytes are still to come. A broken one waits for the next whole one.
    if (decoded.endsWith("\uFFFD")) return false;
    this.#pending = [];
    return this.#append(decoded);
  }

  /** No more tokens come: an incomplete character becomes a replacement character. */
  end(): void {
    if (this.matched === null && this.#pending.length > 0) this.#append(this.#decode(this.#pending));
    this.#pending = [];
  }

  /** Text that was not given out yet and will not change; after `end`, all of it. */
  take(ended: boolean): string {
    const safe = ended || this.matched !== null ? this.text.length : this.text.length - this.#heldBack();
    const delta = this.text.slice(this.#given, Math.max(safe, this.#given));
    this.#given += delta.length;
    return delta;
  }

  #append(decoded: string): boolean {
    const before = this.text.length;
    this.text += decoded;
    let first = -1;
    for (const stop of this.#stops) {
      const at = this.text.indexOf(stop, Math.max(0, before - stop.length + 1));
      if (at >= 0 && (first < 0 || at < first)) {
        first = at;
        this.matched = stop;
      }
    }
    if (first >= 0) this.text = this.text.slice(0, first);
    return first >= 0;
  }

  /** Length of the longest end of the text that a stop string begins with. */
  #heldBack(): number {
    let longest = 0;
    for (const stop of this.#stops) {
      for (let length = Math.min(stop.length - 1, this.text.length); length > longest; length--) {
        if (this.text.endsWith(stop.slice(0, length))) longest = length;
      }
    }
    return longest;
  }
}
