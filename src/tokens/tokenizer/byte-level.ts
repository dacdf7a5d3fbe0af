/**
 * The byte alphabet of byte-level BPE: every byte has one printable character, so that any text is made of characters
 * that the vocabulary knows. The printable bytes of Latin-1 stand for themselves, the other 68 for U+0100 and on.
 */

/** `[byte]` → its character. */
export const BYTE_CHARS: readonly string[] = makeByteChars();
const CHAR_BYTES = new Map(BYTE_CHARS.map((char, byte) => [char, byte]));

function makeByteChars(): string[] {
  const chars: string[] = [];
  let next = 0x100;
  for (let byte = 0; byte < 256; byte++) {
    const printable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
    chars.push(String.fromCharCode(printable ? byte : next++));
  }
  return chars;
}

const encoder = new TextEncoder();
/** Rust's from_utf8_lossy: U+FFFD for each longest broken part, and no byte-order mark is dropped. */
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** The text's UTF-8 bytes as characters of the byte alphabet. */
export function toByteChars(text: string): string {
  if (/^[!-~]*$/.test(text)) return text;
  let result = "";
  for (const byte of encoder.encode(text)) result += BYTE_CHARS[byte];
  return result;
}

/** The text that the tokens' bytes spell. A token with a character outside the alphabet stands for its own UTF-8. */
export function fromByteChars(tokens: readonly string[]): string {
  const bytes: number[] = [];
  for (const token of tokens) {
    const before = bytes.length;
    for (const char of token) {
      const byte = CHAR_BYTES.get(char);
      if (byte === undefined) {
        bytes.length = before;
        for (const own of encoder.encode(token)) bytes.push(own);
        break;
      }
      bytes.push(byte);
    }
  }
  return decoder.decode(Uint8Array.from(bytes));
}
