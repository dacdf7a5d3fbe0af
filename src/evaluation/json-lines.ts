/** Reads JSONL files of any size piece by piece. The last line counts only if it ends: a torn one is what a crash leaves. */
import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
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

/** Reads single lines of a file by their places. */
export class LineReader {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  async read(place: Place): Promise<string> {
    const handle = await open(this.#path, "r");
    try {
      const data = Buffer.alloc(place.bytes);
      for (let done = 0; done < place.bytes; ) {
        const { bytesRead } = await handle.read(data, done, place.bytes - done, place.offset + done);
        if (bytesRead === 0) throw new Error(`${this.#path} ends before byte ${place.offset + place.bytes}.`);
        done += bytesRead;
      }
      return data.toString("utf8");
    } finally {
      await handle.close();
    }
  }
}
