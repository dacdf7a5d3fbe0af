/** Collects the output of a command up to a cap. What comes after the cap is dropped while it streams, and remembered as dropped. */
export class CappedOutput {
  readonly #limit: number;
  readonly #chunks: Buffer[] = [];
  #bytes = 0;
  truncated = false;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Gives the part that is kept. */
  add(chunk: Buffer): Buffer {
    const room = this.#limit - this.#bytes;
    const kept = chunk.length > room ? chunk.subarray(0, room) : chunk;
    if (kept.length < chunk.length) this.truncated = true;
    if (kept.length === 0) return kept;
    this.#chunks.push(kept);
    this.#bytes += kept.length;
    return kept;
  }

  bytes(): Buffer {
    return Buffer.concat(this.#chunks);
  }
}
