/** Reads tables of the FlatBuffers format out of untrusted bytes: no offset leads out of them, no vector is longer than they are. */

/** The bytes are not what they should be. */
export class StreamError extends Error {
  override readonly name = "StreamError";
}

export class FlatTable {
  readonly #view: DataView;
  readonly #at: number;

  private constructor(view: DataView, at: number) {
    this.#view = view;
    this.#at = at;
  }

  static root(bytes: Uint8Array): FlatTable {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return new FlatTable(view, within(view, 0, 4) && view.getUint32(0, true));
  }

  uint8(field: number): number {
    const at = this.#place(field, 1);
    return at === null ? 0 : this.#view.getUint8(at);
  }

  int16(field: number): number {
    const at = this.#place(field, 2);
    return at === null ? 0 : this.#view.getInt16(at, true);
  }

  int32(field: number): number {
    const at = this.#place(field, 4);
    return at === null ? 0 : this.#view.getInt32(at, true);
  }

  int64(field: number): number {
    const at = this.#place(field, 8);
    return at === null ? 0 : safe(this.#view.getBigInt64(at, true));
  }

  table(field: number): FlatTable | null {
    const at = this.#place(field, 4);
    return at === null ? null : new FlatTable(this.#view, at + this.#view.getUint32(at, true));
  }

  text(field: number): string | null {
    const at = this.#place(field, 4);
    if (at === null) return null;
    const [start, length] = this.#vector(at, 1);
    return Buffer.from(this.#view.buffer as ArrayBuffer, this.#view.byteOffset + start, length).toString("utf8");
  }

  tables(field: number): FlatTable[] {
    const at = this.#place(field, 4);
    if (at === null) return [];
    const [start, length] = this.#vector(at, 4);
    return Array.from({ length }, (_, index) => {
      const place = start + index * 4;
      return new FlatTable(this.#view, place + this.#view.getUint32(place, true));
    });
  }

  /** A vector of structs of two 64-bit integers. */
  pairs(field: number): [number, number][] {
    const at = this.#place(field, 4);
    if (at === null) return [];
    const [start, length] = this.#vector(at, 16);
    return Array.from({ length }, (_, index) => {
      const place = start + index * 16;
      return [safe(this.#view.getBigInt64(place, true)), safe(this.#view.getBigInt64(place + 8, true))];
    });
  }

  /** Where a field's value stands; null where the table leaves it out. */
  #place(field: number, size: number): number | null {
    within(this.#view, this.#at, 4);
    const vtable = this.#at - this.#view.getInt32(this.#at, true);
    within(this.#view, vtable, 4);
    const slot = 4 + field * 2;
    if (slot + 2 > this.#view.getUint16(vtable, true)) return null;
    within(this.#view, vtable, slot + 2);
    const offset = this.#view.getUint16(vtable + slot, true);
    if (offset === 0) return null;
    within(this.#view, this.#at + offset, size);
    return this.#at + offset;
  }

  #vector(at: number, size: number): [start: number, length: number] {
    const place = at + this.#view.getUint32(at, true);
    within(this.#view, place, 4);
    const length = this.#view.getUint32(place, true);
    within(this.#view, place + 4, length * size);
    return [place + 4, length];
  }
}

function within(view: DataView, at: number, size: number): true {
  if (at < 0 || size < 0 || at + size > view.byteLength) throw new StreamError("An offset leads out of the message");
  return true;
}

function safe(value: bigint): number {
  if (value < 0n || value > BigInt(Number.MAX_SAFE_INTEGER)) throw new StreamError("A length is out of range");
  return Number(value);
}
