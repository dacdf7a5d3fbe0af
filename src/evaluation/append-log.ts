/**
 * Appends lines to the files of a run so that a crash at any moment loses only what was not yet acknowledged. Bulk files
 * are written and synced before the journal line that names their bytes; everything that waits is written in one go, so
 * a thousand rollouts that end together cost two syncs.
 */
import { type FileHandle, open } from "node:fs/promises";
import { dirname } from "node:path";
import { LachesisError, toLachesisError } from "../core/index.ts";
import type { Place } from "./record.ts";

/** One file that only grows. */
export class AppendFile {
  readonly path: string;
  readonly #handle: FileHandle;
  #size: number;

  private constructor(path: string, handle: FileHandle, size: number) {
    this.path = path;
    this.#handle = handle;
    this.#size = size;
  }

  /** Opens the file for appending and cuts what lies beyond `keep` bytes: the torn end of a run that was killed. */
  static async open(path: string, keep = Number.POSITIVE_INFINITY): Promise<AppendFile> {
    const handle = await open(path, "a+");
    const { size } = await handle.stat();
    if (size > keep) await handle.truncate(keep);
    return new AppendFile(path, handle, Math.min(size, keep));
  }

  get size(): number {
    return this.#size;
  }

  /** Appends whole lines and gives where each lies. On failure the file is cut back, so no half line stays. */
  async append(lines: readonly string[]): Promise<Place[]> {
    const places: Place[] = [];
    let offset = this.#size;
    for (const line of lines) {
      const bytes = Buffer.byteLength(line);
      places.push({ offset, bytes });
      offset += bytes + 1;
    }
    try {
      for (const text of inPieces(lines)) await writeAll(this.#handle, Buffer.from(text));
      await this.#handle.datasync();
    } catch (error) {
      await this.#handle.truncate(this.#size).catch(() => undefined);
      throw error;
    }
    this.#size = offset;
    return places;
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}

const PIECE_CHARS = 8 << 20;

/** Joins lines to texts of bounded size: one string of a whole batch could exceed what a string may hold. */
function* inPieces(lines: readonly string[]): Generator<string> {
  let piece = "";
  for (const line of lines) {
    piece += `${line}\n`;
    if (piece.length >= PIECE_CHARS) {
      yield piece;
      piece = "";
    }
  }
  if (piece) yield piece;
}

async function writeAll(handle: FileHandle, data: Uint8Array): Promise<void> {
  for (let done = 0; done < data.length; ) {
    const { bytesWritten } = await handle.write(data, done, data.length - done);
    done += bytesWritten;
  }
}

/** What is recorded in one step: lines of bulk files, and the journal line made from their places. */
export interface Entry {
  bulk?: { file: AppendFile; line: string };
  journal: (place: Place | undefined) => object;
}

interface Waiting {
  entry: Entry;
  resolve: (place: Place | undefined) => void;
  reject: (error: LachesisError) => void;
}

export class AppendLog {
  readonly #journal: AppendFile;
  #waiting: Waiting[] = [];
  #writing: Promise<void> | null = null;
  #failure: LachesisError | null = null;

  constructor(journal: AppendFile) {
    this.#journal = journal;
  }

  /** The error after which nothing more is recorded, or null. */
  get failure(): LachesisError | null {
    return this.#failure;
  }

  /** Resolves once the entry is on the disk. Rejects with `disk_full` or `internal`; then every later entry is refused. */
  record(entry: Entry): Promise<Place | undefined> {
    if (this.#failure) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ entry, resolve, reject });
      this.#writing ??= this.#drain();
    });
  }

  /** Waits until everything recorded so far is written. */
  async settled(): Promise<void> {
    while (this.#writing) await this.#writing;
  }

  async #drain(): Promise<void> {
    // What is recorded in the same turn of the event loop goes into the same batch.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      this.#waiting = [];
      try {
        const places = await this.#write(batch.map(({ entry }) => entry));
        batch.forEach(({ resolve }, index) => {
          resolve(places[index]);
        });
      } catch (error) {
        this.#failure = this.#failureOf(error);
        for (const { reject } of [...batch, ...this.#waiting]) reject(this.#failure);
        this.#waiting = [];
      }
    }
    this.#writing = null;
  }

  async #write(entries: readonly Entry[]): Promise<(Place | undefined)[]> {
    const places: (Place | undefined)[] = new Array(entries.length);
    const byFile = new Map<AppendFile, number[]>();
    entries.forEach(({ bulk }, index) => {
      if (bulk) byFile.set(bulk.file, [...(byFile.get(bulk.file) ?? []), index]);
    });
    await Promise.all(
      [...byFile].map(async ([file, indices]) => {
        const found = await file.append(indices.map((index) => entries[index]!.bulk!.line));
        indices.forEach((index, position) => {
          places[index] = found[position];
        });
      }),
    );
    await this.#journal.append(entries.map((entry, index) => JSON.stringify(entry.journal(places[index]))));
    return places;
  }

  #failureOf(error: unknown): LachesisError {
    const known = toLachesisError(error);
    const folder = dirname(this.#journal.path);
    const message =
      known.code === "disk_full"
        ? `The disk is full: nothing more can be recorded in ${folder}. What was finished before is safe; free some space and run the same command again to go on.`
        : `Could not write to ${folder}: ${known.message}`;
    return new LachesisError(known.code, message, { cause: error });
  }
}
