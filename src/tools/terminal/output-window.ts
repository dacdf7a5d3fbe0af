/**
 * The output of a command as it is kept: its beginning and its end, in bounded memory, with an exact count of what came
 * in between. Bytes are text only when they are asked for, so characters are never cut apart by a chunk's border.
 */
export class OutputWindow {
  /** Of the beginning; what comes after it is kept only in the ring of the last `TAIL_BYTES`. */
  static readonly MAX_BYTES = 8 * 1024 * 1024;
  static readonly TAIL_BYTES = 1024 * 1024;

  #head: Uint8Array[] = [];
  #headBytes = 0;
  #tail: Uint8Array[] = [];
  #tailBytes = 0;
  /** Everything that came. */
  bytes = 0;
  /** True when more was written than came here. */
  incomplete = false;

  add(chunk: Uint8Array): void {
    this.bytes += chunk.length;
    const room = OutputWindow.MAX_BYTES - this.#headBytes;
    if (room > 0) {
      const kept = Uint8Array.prototype.slice.call(chunk, 0, room);
      this.#head.push(kept);
      this.#headBytes += kept.length;
      if (chunk.length <= room) return;
      this.#push(chunk.slice(room));
    } else this.#push(chunk.slice());
  }

  /** Bytes between the kept beginning and the kept end. */
  get lost(): number {
    return this.bytes - this.#headBytes - this.#tailBytes;
  }

  /** The kept text; where bytes are missing stands a line that says how many. */
  text(): string {
    const head = decode(this.#head);
    if (this.lost === 0) return decode([...this.#head, ...this.#tail]);
    return `${head}\n[${this.lost} bytes of output were not kept]\n${decode(this.#tail)}`;
  }

  #push(chunk: Uint8Array): void {
    this.#tail.push(chunk);
    this.#tailBytes += chunk.length;
    while (this.#tail[0] && this.#tailBytes - this.#tail[0].length >= OutputWindow.TAIL_BYTES) {
      this.#tailBytes -= this.#tail.shift()!.length;
    }
  }
}

function decode(chunks: Uint8Array[]): string {
  return Buffer.concat(chunks).toString("utf8");
}
