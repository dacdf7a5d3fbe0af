/**
 * The decoders of tokenizer.json: each takes the tokens' texts and gives texts whose concatenation is the result.
 */
import { fromByteChars } from "./byte-level.ts";
import { type Fields, tokenizerError } from "./fields.ts";
import { readMetaspace, readPattern } from "./pre-tokenizers.ts";

export type Decoder = (tokens: string[]) => string[];

export function readDecoder(fields: Fields): Decoder {
  const type = fields.text("type");
  switch (type) {
    case "Sequence": {
      const steps = fields.objects("decoders").map(readDecoder);
      return (tokens) => steps.reduce((result, step) => step(result), tokens);
    }
    case "ByteLevel":
      return (tokens) => [fromByteChars(tokens)];
    case "ByteFallback":
      return byteFallback;
    case "Fuse":
      return (tokens) => [tokens.join("")];
    case "Replace": {
      const pattern = readPattern(fields);
      const content = fields.text("content");
      return (tokens) => tokens.map((token) => token.replace(pattern, () => content));
    }
    case "Strip":
      return strip(fields.text("content"), fields.number("start", 0), fields.number("stop", 0));
    case "Metaspace": {
      const { replacement, scheme } = readMetaspace(fields);
      return (tokens) =>
        tokens.map((token, index) =>
          token.replaceAll(replacement, () => (index === 0 && scheme !== "never" ? "" : " ")),
        );
    }
    case "WordPiece":
      return wordPiece(fields.text("prefix", "##"), fields.flag("cleanup", true));
    case "BPEDecoder":
      return bpeDecoder(fields.text("suffix", "</w>"));
    case "CTC":
      return ctc(
        fields.text("pad_token", "<pad>"),
        fields.text("word_delimiter_token", "|"),
        fields.flag("cleanup", true),
      );
    default:
      throw tokenizerError(`the decoder ${type} is not known`);
  }
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** A run of `<0xNN>` tokens is valid UTF-8 as a whole, or one U+FFFD for each of its bytes. */
function byteFallback(tokens: string[]): string[] {
  const result: string[] = [];
  let run: number[] = [];
  const flush = (): void => {
    if (run.length === 0) return;
    const text = validText(run);
    if (text !== null) result.push(text);
    else for (let i = 0; i < run.length; i++) result.push("\ufffd");
    run = [];
  };
  for (const token of tokens) {
    const byte = /^<0x([0-9a-fA-F]{2}|\+[0-9a-fA-F])>$/.exec(token);
    if (byte !== null) run.push(Number.parseInt(byte[1]!, 16));
    else {
      flush();
      result.push(token);
    }
  }
  flush();
  return result;
}

function validText(bytes: readonly number[]): string | null {
  try {
    return utf8.decode(Uint8Array.from(bytes));
  } catch (error) {
    if (error instanceof TypeError) return null;
    throw error;
  }
}

/** Takes up to `start` and `stop` times the character off the ends of each token. */
function strip(content: string, start: number, stop: number): Decoder {
  return (tokens) =>
    tokens.map((token) => {
      const chars = [...token];
      let from = 0;
      while (from < start && from < chars.length && chars[from] === content) from++;
      let to = chars.length;
      for (let i = 0; i < stop && to > 0 && chars[to - 1] === content; i++) to--;
      return chars.slice(from, Math.max(from, to)).join("");
    });
}

function wordPiece(prefix: string, clean: boolean): Decoder {
  return (tokens) =>
    tokens.map((token, index) => {
      let text = token;
      if (index > 0) text = text.startsWith(prefix) ? text.slice(prefix.length) : ` ${text}`;
      return clean ? cleanUp(text) : text;
    });
}

/** The Rust decoder's clean-up of one token. Python's, over a whole text, is in `pipeline.ts`. */
function cleanUp(text: string): string {
  return text
    .replaceAll(" .", ".")
    .replaceAll(" ?", "?")
    .replaceAll(" !", "!")
    .replaceAll(" ,", ",")
    .replaceAll(" ' ", "'")
    .replaceAll(" n't", "n't")
    .replaceAll(" 'm", "'m")
    .replaceAll(" do not", " don't")
    .replaceAll(" 's", "'s")
    .replaceAll(" 've", "'ve")
    .replaceAll(" 're", "'re");
}

function bpeDecoder(suffix: string): Decoder {
  return (tokens) =>
    tokens.map((token, index) => token.replaceAll(suffix, () => (index === tokens.length - 1 ? "" : " ")));
}

function ctc(pad: string, delimiter: string, clean: boolean): Decoder {
  return (tokens) => {
    const result: string[] = [];
    for (const [index, token] of tokens.entries()) {
      if (index > 0 && tokens[index - 1] === token) continue;
      let text = token.replaceAll(pad, "");
      if (clean) text = cleanUp(text).replaceAll(delimiter, " ");
      if (text !== "") result.push(text);
    }
    return result;
  };
}
