/** Text files as streams: decompressed by their ending, decoded as UTF-8, split into lines that know their number. */
import { createReadStream } from "node:fs";
import { pipeline, type Readable } from "node:stream";
import { createGunzip, createZstdDecompress } from "node:zlib";
import { errorMessage, isErrno, LachesisError } from "../core/index.ts";

/** The decoded text of a file, piece by piece. Throws `data_invalid` at bytes that are no UTF-8, `not_found` without a file. */
export async function* textOfFile(path: string): AsyncGenerator<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let newlines = 0;
  try {
    for await (const chunk of bytesOfFile(path)) {
      const text = decoder.decode(chunk as Uint8Array, { stream: true });
      yield text;
      newlines += count(text);
    }
    yield decoder.decode();
  } catch (error) {
    if (error instanceof TypeError && (error as NodeJS.ErrnoException).code === "ERR_ENCODING_INVALID_ENCODED_DATA") {
      throw new LachesisError(
        "data_invalid",
        `${path}: after line ${newlines + 1} there are bytes that are not UTF-8.`,
      );
    }
    throw readError(path, error);
  }
}

/** The lines of a file without their ends (\n or \r\n), with their number from 1. */
export async function* linesOfFile(path: string): AsyncGenerator<{ text: string; line: number }> {
  let rest: string[] = [];
  let line = 0;
  for await (const chunk of textOfFile(path)) {
    let start = 0;
    for (let end = chunk.indexOf("\n"); end >= 0; end = chunk.indexOf("\n", start)) {
      rest.push(chunk.slice(start, end));
      yield { text: rest.join("").replace(/\r$/, ""), line: ++line };
      rest = [];
      start = end + 1;
    }
    rest.push(chunk.slice(start));
  }
  const last = rest.join("").replace(/\r$/, "");
  if (last !== "") yield { text: last, line: line + 1 };
}

/** An error of the file system as one of ours. */
export function readError(path: string, error: unknown): LachesisError {
  if (error instanceof LachesisError) return error;
  const missing = isErrno(error) && error.code === "ENOENT";
  const message = missing ? "there is no such file." : `cannot be read: ${errorMessage(error)}.`;
  return new LachesisError(missing ? "not_found" : "data_invalid", `${path}: ${message}`, { cause: error });
}

function bytesOfFile(path: string): Readable {
  const file = createReadStream(path, { highWaterMark: 1 << 18 });
  const expand = path.endsWith(".gz") ? createGunzip() : path.endsWith(".zst") ? createZstdDecompress() : null;
  // The pipeline forwards an error of the file to the reader, who reports it.
  return expand === null ? file : pipeline(file, expand, () => {});
}

function count(text: string): number {
  let newlines = 0;
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) newlines++;
  return newlines;
}
