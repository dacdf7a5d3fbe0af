/** Answers of 1,000 bytes and more are compressed for clients that take it: gzip, and for Arrow streams zstd. */

import { promisify } from "node:util";
import { constants, gzip, zstdCompress } from "node:zlib";
import type { FastifyInstance } from "fastify";
import { ARROW_TYPE } from "../wire/arrow.ts";

const LEAST_BYTES = 1_000;
const gzipped = promisify(gzip);
const zstandard = promisify(zstdCompress);

export function compressAnswers(app: FastifyInstance): void {
  app.addHook("onSend", async (request, reply, payload) => {
    if (typeof payload !== "string" && !Buffer.isBuffer(payload)) return payload;
    const bytes = Buffer.isBuffer(payload) ? payload : Buffer.from(payload);
    if (bytes.length < LEAST_BYTES || reply.hasHeader("content-encoding")) return payload;
    const accepted = request.headers["accept-encoding"];
    reply.header("vary", "accept-encoding");
    if (reply.getHeader("content-type") === ARROW_TYPE && accepts(accepted, "zstd")) {
      reply.removeHeader("content-length").header("content-encoding", "zstd");
      return zstandard(bytes, { params: { [constants.ZSTD_c_compressionLevel]: 1 } });
    }
    if (!accepts(accepted, "gzip")) return payload;
    reply.removeHeader("content-length").header("content-encoding", "gzip");
    // The fastest level: batches are large, and trainers wait for them.
    return gzipped(bytes, { level: 1 });
  });
}

function accepts(header: string | string[] | undefined, name: string): boolean {
  const parts = String(header ?? "")
    .toLowerCase()
    .split(",");
  return parts.some((part) => {
    const [coding, ...parameters] = part.split(";").map((text) => text.trim());
    return coding === name && !parameters.some((text) => /^q=0(\.0*)?$/.test(text));
  });
}
