/**
 * The stream of entries in which trees move into and out of a sandbox (native/src/archive.c describes it). Paths are
 * raw bytes. The decoder believes nothing: it checks every length, and whoever consumes the entries checks the paths.
 */
import { LachesisError } from "../../core/index.ts";

const HEADER_BYTES = 34;
const HOLE = 0x80000000;
const PIECE_MAX = 1 << 20;

export interface ArchiveEntry {
  type: "directory" | "file" | "symlink" | "whiteout" | "skipped" | "end";
  mode: number;
  mtimeMs: number;
  /** Announced size of a file, which its content need not keep; the errno of what was skipped. */
  size: number;
  path: Buffer;
  link: Buffer;
}

const TYPES = new Map<number, ArchiveEntry["type"]>([
  [0x44, "directory"],
  [0x46, "file"],
  [0x4c, "symlink"],
  [0x57, "whiteout"],
  [0x53, "skipped"],
  [0x45, "end"],
]);
const LETTERS = new Map([...TYPES].map(([code, name]) => [name, code]));

const NOTHING = Buffer.alloc(0);

export function encodeEntry(entry: Pick<ArchiveEntry, "type"> & Partial<ArchiveEntry>): Buffer {
  const path = entry.path ?? NOTHING;
  const link = entry.link ?? NOTHING;
  const bytes = Buffer.alloc(HEADER_BYTES + path.length + link.length);
  bytes[0] = LETTERS.get(entry.type)!;
  bytes.writeUInt32LE(entry.mode ?? 0, 1);
  bytes.writeBigInt64LE(BigInt(Math.floor(entry.mtimeMs ?? 0)), 5);
  bytes.writeBigUInt64LE(BigInt(entry.size ?? 0), 22);
  bytes.writeUInt16LE(path.length, 30);
  bytes.writeUInt16LE(link.length, 32);
  path.copy(bytes, HEADER_BYTES);
  link.copy(bytes, HEADER_BYTES + path.length);
  return bytes;
}

/** One piece of a file's content; an empty one ends the file. */
export function encodePiece(content: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(4 + content.length);
  bytes.writeUInt32LE(content.length, 0);
  bytes.set(content, 4);
  return bytes;
}

export interface ArchiveSink {
  entry(entry: ArchiveEntry): void;
  content(piece: Buffer): void;
  hole(length: number): void;
  fileEnd(): void;
}

export class ArchiveDecoder {
  #rest: Buffer = NOTHING;
  #inFile = false;
  /** Bytes of the present piece that are still to come. */
  #left = 0;
  #ended = false;
  readonly #sink: ArchiveSink;

  constructor(sink: ArchiveSink) {
    this.#sink = sink;
  }

  /** True once the end entry was seen: the archive is whole. */
  get ended(): boolean {
    return this.#ended;
  }

  push(chunk: Buffer): void {
    this.#rest = this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : chunk;
    while (this.#step());
  }

  #take(length: number): Buffer {
    const bytes = this.#rest.subarray(0, length);
    this.#rest = this.#rest.subarray(length);
    return bytes;
  }

  #step(): boolean {
    if (this.#rest.length === 0) return false;
    if (this.#ended) throw malformed("bytes after the end");
    if (this.#left > 0) {
      const piece = this.#take(Math.min(this.#left, this.#rest.length));
      this.#left -= piece.length;
      this.#sink.content(piece);
      return true;
    }
    return this.#inFile ? this.#pieceHeader() : this.#entryHeader();
  }

  #pieceHeader(): boolean {
    if (this.#rest.length < 4) return false;
    const length = this.#rest.readUInt32LE(0);
    if (length === HOLE) {
      if (this.#rest.length < 12) return false;
      const hole = this.#rest.readBigUInt64LE(4);
      if (hole > BigInt(Number.MAX_SAFE_INTEGER)) throw malformed("a hole is too long");
      this.#take(12);
      this.#sink.hole(Number(hole));
      return true;
    }
    if (length > PIECE_MAX) throw malformed("a piece is too long");
    this.#take(4);
    this.#left = length;
    if (length === 0) {
      this.#inFile = false;
      this.#sink.fileEnd();
    }
    return true;
  }

  #entryHeader(): boolean {
    if (this.#rest.length < HEADER_BYTES) return false;
    const head = this.#rest;
    const pathLength = head.readUInt16LE(30);
    const linkLength = head.readUInt16LE(32);
    if (head.length < HEADER_BYTES + pathLength + linkLength) return false;
    const type = TYPES.get(head[0]!);
    const size = head.readBigUInt64LE(22);
    if (!type) throw malformed("an entry has an unknown type");
    if (size > BigInt(Number.MAX_SAFE_INTEGER)) throw malformed("an entry is too big");
    const bytes = Buffer.from(this.#take(HEADER_BYTES + pathLength + linkLength));
    this.#ended = type === "end";
    this.#inFile = type === "file";
    this.#sink.entry({
      type,
      mode: bytes.readUInt32LE(1) & 0o7777,
      mtimeMs: Number(bytes.readBigInt64LE(5)),
      size: Number(size),
      path: bytes.subarray(HEADER_BYTES, HEADER_BYTES + pathLength),
      link: bytes.subarray(HEADER_BYTES + pathLength),
    });
    return true;
  }
}

function malformed(what: string): LachesisError {
  return new LachesisError("sandbox_protocol", `The archive of the sandbox is malformed: ${what}.`);
}
