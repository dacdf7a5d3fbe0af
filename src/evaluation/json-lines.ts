/** Reads JSONL files of any size piece by piece. The last line counts only if it ends: a torn one is what a crash leaves. */
import { createReadStream } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { LachesisError } from "../core/index.ts";
import type { Place } from "./record.ts";

/** Every complete line with its place; empty ones are left out. */
export async function* linesOf(path: string): AsyncGenerator<Place & { text: string }> {
  let rest: Buffer[] = [];
  let offset = 0;
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 18 }) as AsyncIterable<Buffer>) {
    let start = 0;
    for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, start)) {
      const piece = chunk.subarray(start, end);
      const line = rest.length > 0 ? Buffer.concat([...rest, piece]) : piece;
      rest = [];
      if (line.length > 0) yield { offset, bytes: line.length, text: line.toString("utf8") };
      offset += line.length + 1;
      start = end + 1;
    }
    if (start < chunk.length) rest.push(chunk.subarray(start));
  }
}

/** Reads single lines of a file by their places. The file is opened at the first read. */
export class LineReader {
  readonly #path: string;
  #handle: Promise<FileHandle> | null = null;

  constructor(path: string) {
    this.#path = path;
  }

  async read(place: Place): Promise<string> {
    this.#handle ??= open(this.#path, "r");
    const handle = await this.#handle;
    const data = Buffer.allocUnsafe(place.bytes);
    for (let done = 0; done < place.bytes; ) {
      const { bytesRead } = await handle.read(data, done, place.bytes - done, place.offset + done);
      if (bytesRead === 0) {
        throw new LachesisError("data_invalid", `${this.#path} ends before byte ${place.offset + place.bytes}.`);
      }
      done += bytesRead;
    }
    return data.toString("utf8");
  }

  async close(): Promise<void> {
    const handle = this.#handle;
    this.#handle = null;
    await (await handle)?.close();
  }
}
