/** Answers of 1,000 bytes and more are compressed for clients that take it: gzip, and for Arrow streams zstd. */

import { promisify } from "node:util";
import { constants, gzip, zstdCompress } from "node:zlib";
import type { FastifyInstance } from "fastify";
import { ARROW_TYPE } from "../wire/arrow.ts";
import { qualityOf } from "./accepts.ts";

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
    if (reply.getHeader("content-type") === ARROW_TYPE && qualityOf(accepted, "zstd") > 0) {
      reply.removeHeader("content-length").header("content-encoding", "zstd");
      return zstandard(bytes, { params: { [constants.ZSTD_c_compressionLevel]: 1 } });
    }
    if (qualityOf(accepted, "gzip") === 0) return payload;
    reply.removeHeader("content-length").header("content-encoding", "gzip");
    // The fastest level: batches are large, and trainers wait for them.
    return gzipped(bytes, { level: 1 });
  });
}
