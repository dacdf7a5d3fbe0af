/** The end of a growing text: at most 200,000 characters are kept, and it is known how much of the beginning is gone. */
const KEPT_CHARS = 200_000;

export class RollingText {
  readonly #decoder = new TextDecoder();
  #text = "";
  #pending: string[] = [];
  #pendingChars = 0;
  /** Whole lines that are no longer kept. */
  #linesGone = 0;

  add(chunk: Uint8Array): void {
    const text = this.#decoder.decode(chunk, { stream: true });
    this.#pending.push(text);
    this.#pendingChars += text.length;
    if (this.#pendingChars >= KEPT_CHARS) this.#settle();
  }

  /** What is kept. */
  get text(): string {
    this.#settle();
    return this.#text;
  }

  get linesGone(): number {
    this.#settle();
    return this.#linesGone;
  }

  #settle(): void {
    if (this.#pending.length === 0) return;
    let text = this.#text + this.#pending.join("");
    this.#pending = [];
    this.#pendingChars = 0;
    if (text.length > KEPT_CHARS) {
      const cut = text.length - KEPT_CHARS;
      for (let at = text.indexOf("\n"); at !== -1 && at < cut; at = text.indexOf("\n", at + 1)) this.#linesGone++;
      text = text.slice(cut);
    }
    this.#text = text;
  }
}
