/**
 * Request bodies: received, and their compression undone, within bounds. A body that grows beyond the limit is given up
 * while it grows, so that a small bomb costs no more than the limit; and all bodies together, from their arrival until
 * their answer, take no more memory than the server's budget for them.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { createGunzip, createZstdDecompress } from "node:zlib";
import { LachesisError } from "../../core/index.ts";
import { onceOver } from "./answer-end.ts";
import { zstdFrames } from "./zstd-frames.ts";

/** A body that is refused before it is read as JSON. `text`: v1 answers it as plain text. */
export class BadBody extends Error {
  override readonly name = "BadBody";
  readonly status: number;
  readonly plain: boolean;

  constructor(status: number, message: string, { plain = false } = {}) {
    super(message);
    this.status = status;
    this.plain = plain;
  }
}

/** Memory that bodies of requests which are not yet answered may take together. */
export class BodyBudget {
  readonly #most: number;
  #held = 0;

  constructor(most: number) {
    this.#most = most;
  }

  /** Bytes that are held at present. */
  get held(): number {
    return this.#held;
  }

  /** A share that grows and is returned as a whole when the answer is over. */
  share(request: IncomingMessage, response: ServerResponse): { grow(bytes: number): void } {
    let held = 0;
    let isOver = false;
    onceOver(request, response, () => {
      this.#held -= held;
      isOver = true;
    });
    return {
      grow: (bytes) => {
        if (this.#held + bytes > this.#most) {
          throw new LachesisError(
            "api_unavailable",
            "Too many large bodies are on their way at once. Send again later.",
            {
              details: { retryAfterMs: 1000 },
            },
          );
        }
        if (isOver) return;
        held += bytes;
        this.#held += bytes;
      },
    };
  }
}

/** Throws `BadBody` (413, 415, 400) and `api_unavailable` where the budget is spent. */
export async function receiveBody(
  request: IncomingMessage,
  response: ServerResponse,
  { maxBytes, budget }: { maxBytes: number; budget: BodyBudget },
): Promise<Buffer> {
  if (Number(request.headers["content-length"] ?? 0) > maxBytes) throw tooLarge(maxBytes);
  const coding = codingOf(request.headers["content-encoding"]);
  const share = budget.share(request, response);
  const body = await collected(request, maxBytes, share.grow);
  if (coding === null || body.length === 0) return body;
  return expandBody(body, coding, maxBytes, share.grow);
}

/**
 * By events, since leaving a loop over the request would cut the connection before the answer. What is refused is left
 * unread.
 */
function collected(request: IncomingMessage, maxBytes: number, grow: (bytes: number) => void): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let received = 0;
    const settle = (act: () => void) => {
      request.off("data", take).off("end", end).off("error", cut).off("close", cut);
      act();
    };
    const take = (chunk: Buffer) => {
      received += chunk.length;
      try {
        if (received > maxBytes) throw tooLarge(maxBytes);
        grow(chunk.length);
        chunks.push(chunk);
      } catch (error) {
        settle(() => reject(error));
        request.pause();
      }
    };
    // What was made of pieces owns its memory, and can be handed to another thread.
    const end = () => settle(() => resolve(Buffer.concat(chunks)));
    const cut = () => settle(() => reject(new BadBody(400, "The connection ended before the body was there.")));
    request.on("data", take).once("end", end).once("error", cut).once("close", cut);
  });
}

type Coding = "gzip" | "zstd";

/** null: as it is. v1 takes any value that holds "gzip", in any case. */
function codingOf(header: string | string[] | undefined): Coding | null {
  const name = String(header ?? "")
    .trim()
    .toLowerCase();
  if (name.includes("gzip")) return "gzip";
  if (name === "zstd") return "zstd";
  if (name === "" || name === "identity") return null;
  throw new BadBody(415, `Content-Encoding ${name.slice(0, 100)} is not known; send gzip or zstd.`);
}

const EXPAND_CHUNK = 256 * 1024;

async function expandBody(
  body: Buffer,
  coding: Coding,
  maxBytes: number,
  grow: (bytes: number) => void,
): Promise<Buffer> {
  const options = { chunkSize: EXPAND_CHUNK };
  const chunks: Buffer[] = [];
  let expanded = 0;
  const expand = async (part: Buffer) => {
    const stream = coding === "gzip" ? createGunzip(options) : createZstdDecompress(options);
    stream.end(part);
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      expanded += chunk.length;
      if (expanded > maxBytes) throw tooLarge(maxBytes);
      grow(chunk.length);
      chunks.push(chunk);
    }
  };
  const invalid = () => new BadBody(400, `Invalid ${coding} payload`, { plain: true });
  try {
    if (coding === "gzip") await expand(body);
    else {
      const frames = zstdFrames(body);
      if (!frames) throw invalid();
      for (const [start, end] of frames) await expand(body.subarray(start, end));
    }
  } catch (error) {
    if (error instanceof BadBody || error instanceof LachesisError) throw error;
    throw invalid();
  }
  return Buffer.concat(chunks);
}

export function tooLarge(maxBytes: number): BadBody {
  return new BadBody(413, `The body is larger than ${maxBytes} bytes (--max-body-bytes).`);
}
