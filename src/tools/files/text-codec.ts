/**
 * File content as text and back, without changing a byte that nobody touched: for every codec `encode(decode(bytes))`
 * gives the same bytes. Valid UTF-8 is decoded as such (a byte order mark stays a character); everything else becomes a
 * string of bytes (one character per byte), into which new text is written in the encoding that the file seems to have.
 */
import { isUtf8 } from "node:buffer";

export type Encoding = "utf-8" | "latin-1" | "utf-8 with invalid bytes";

export interface TextCodec {
  readonly encoding: Encoding;
  /** The file's content in the form in which it is searched and edited. */
  readonly text: string;
  /** A model's text in that form; null when the encoding cannot hold it. */
  toForm(text: string): string | null;
  /** Edited content back as bytes. */
  encode(text: string): Uint8Array;
}

/** The codecs that fit the content, the likeliest first; a UTF-8 file has only one. */
export function codecsOf(bytes: Uint8Array): [TextCodec, ...TextCodec[]] {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (isUtf8(buffer)) {
    return [
      { encoding: "utf-8", text: buffer.toString("utf8"), toForm: wellFormed, encode: (text) => Buffer.from(text) },
    ];
  }
  const text = buffer.toString("latin1");
  const encode = (edited: string) => Buffer.from(edited, "latin1");
  const latin1: TextCodec = { encoding: "latin-1", text, encode, toForm: (given) => (isLatin1(given) ? given : null) };
  const mixed: TextCodec = {
    encoding: "utf-8 with invalid bytes",
    text,
    encode,
    toForm: (given) => (given.isWellFormed() ? Buffer.from(given).toString("latin1") : null),
  };
  return encodingOf(buffer) === "latin-1" ? [latin1, mixed] : [mixed, latin1];
}

/** The encoding that the bytes seem to have: Latin-1 unless most of what is not ASCII is valid UTF-8. */
export function encodingOf(bytes: Uint8Array): Encoding {
  if (isUtf8(bytes)) return "utf-8";
  const decoded = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
  let valid = 0;
  let invalid = 0;
  for (let at = 0; at < decoded.length; at++) {
    const code = decoded.charCodeAt(at);
    if (code === 0xfffd) invalid++;
    else if (code > 0x7f) valid++;
  }
  return valid > invalid ? "utf-8 with invalid bytes" : "latin-1";
}

/** Bytes as a person would read them in that encoding. */
export function display(bytes: Uint8Array, encoding: Encoding): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString(
    encoding === "latin-1" ? "latin1" : "utf8",
  );
}

/** True when the bytes are no text: a NUL near the start, or mostly control characters. */
export function looksBinary(start: Uint8Array): boolean {
  const sample = start.subarray(0, 8000);
  if (sample.includes(0)) return true;
  let control = 0;
  const head = sample.subarray(0, 1000);
  for (const byte of head)
    if (byte < 32 && byte !== 9 && byte !== 10 && byte !== 13 && byte !== 27 && byte !== 12) control++;
  return control > head.length * 0.3;
}

const wellFormed = (text: string): string | null => (text.isWellFormed() ? text : null);

function isLatin1(text: string): boolean {
  for (let at = 0; at < text.length; at++) if (text.charCodeAt(at) > 0xff) return false;
  return true;
}
