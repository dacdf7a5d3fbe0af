/**
 * Request bodies: undone compression, bounded before and after. A body that expands beyond the limit is given up while
 * it expands, so that a small bomb costs no more than the limit.
 */
import { promisify } from "node:util";
import { gunzip, zstdDecompress } from "node:zlib";

const expandGzip = promisify(gunzip);
const expandZstd = promisify(zstdDecompress);

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

export async function expandBody(body: Buffer, encoding: string | undefined, maxBytes: number): Promise<Buffer> {
  const name = encoding?.toLowerCase() ?? "";
  const gzip = name.includes("gzip");
  if (!gzip && !name.includes("zstd")) {
    if (name !== "" && name !== "identity")
      throw new BadBody(415, `Content-Encoding ${name} is not known; send gzip or zstd.`);
    return body;
  }
  if (body.length === 0) return body;
  try {
    return await (gzip ? expandGzip : expandZstd)(body, { maxOutputLength: maxBytes });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE") throw tooLarge(maxBytes);
    throw new BadBody(400, gzip ? "Invalid gzip payload" : "Invalid zstd payload", { plain: true });
  }
}

export function tooLarge(maxBytes: number): BadBody {
  return new BadBody(413, `The body is larger than ${maxBytes} bytes (--max-body-bytes).`);
}
