/** The normalizers of tokenizer.json: text to text, before it is cut into pieces. */
import { toByteChars } from "./byte-level.ts";
import { Charsmap } from "./charsmap.ts";
import { type Fields, tokenizerError } from "./fields.ts";
import { MARK, NONSPACING_MARK, normalForm, OTHER } from "./older-unicode.ts";
import { readPattern } from "./pre-tokenizers.ts";
import { leadingSpace, trailingSpace } from "./white-space.ts";

export type Normalizer = (text: string) => string;

/** The normalizer that a tokenizer.json asks for; null (none) leaves the text as it is. */
export function readNormalizer(fields: Fields | null): Normalizer {
  if (fields === null) return (text) => text;
  const type = fields.text("type");
  switch (type) {
    case "Sequence": {
      const steps = fields.objects("normalizers").map(readNormalizer);
      return (text) => steps.reduce((result, step) => step(result), text);
    }
    case "NFC":
    case "NFD":
    case "NFKC":
    case "NFKD":
      return (text) => normalForm(text, type);
    case "Lowercase":
      return lowercase;
    case "StripAccents":
      return (text) => text.replace(MARK, "");
    case "BertNormalizer":
      return bertNormalizer(fields);
    case "Strip":
      return strip(fields.flag("strip_left", true), fields.flag("strip_right", true));
    case "Replace": {
      const pattern = readPattern(fields);
      const content = fields.text("content");
      return (text) => text.replace(pattern, () => content);
    }
    case "Prepend": {
      const prefix = fields.text("prepend");
      return (text) => (text === "" ? "" : prefix + text);
    }
    case "Precompiled": {
      const map = Charsmap.fromBase64(fields.text("precompiled_charsmap"));
      return (text) => map.normalize(text);
    }
    case "Nmt":
      return nmt;
    case "ByteLevel":
      return toByteChars;
    default:
      throw tokenizerError(`the normalizer ${type} is not known`);
  }
}

/** Character by character, as Rust does it: a final sigma is σ like any other. */
function lowercase(text: string): string {
  if (/^[\x00-\x7f]*$/.test(text)) return text.toLowerCase();
  let result = "";
  for (const char of text) result += char.toLowerCase();
  return result;
}

function strip(left: boolean, right: boolean): Normalizer {
  return (text) => {
    const start = left ? leadingSpace(text) : 0;
    if (start === text.length) return "";
    return text.slice(start, right ? text.length - trailingSpace(text) : text.length);
  };
}

/** The last range but two begins as in the Rust crate, which left a gap after the one before. */
const CHINESE =
  /[\u{4e00}-\u{9fff}\u{3400}-\u{4dbf}\u{20000}-\u{2a6df}\u{2a700}-\u{2b73f}\u{2b740}-\u{2b81f}\u{2b920}-\u{2ceaf}\u{f900}-\u{faff}\u{2f800}-\u{2fa1f}]/gv;

function bertNormalizer(fields: Fields): Normalizer {
  const lower = fields.flag("lowercase", true);
  const steps: Normalizer[] = [];
  if (fields.flag("clean_text", true)) steps.push(cleanText);
  if (fields.flag("handle_chinese_chars", true)) steps.push((text) => text.replace(CHINESE, " $& "));
  if (fields.flag("strip_accents", lower)) steps.push((text) => normalForm(text, "NFD").replace(NONSPACING_MARK, ""));
  if (lower) steps.push(lowercase);
  return (text) => steps.reduce((result, step) => step(result), text);
}

const CLEANED = new RegExp(`[\\0\\ufffd]|(?![\\t\\n\\r])${OTHER.source}`, "gv");

/** Control characters go, white space becomes a space. */
const cleanText: Normalizer = (text) => text.replace(CLEANED, "").replace(/\p{White_Space}/gv, " ");

const nmt: Normalizer = (text) =>
  text
    .replace(/[\x01-\x08\x0b\x0e-\x1f\x7f\x8f\x9f]/g, "")
    .replace(/[\t\n\f\r\u1680\u200b-\u200f\u2028\u2029\u2581\ufeff\ufffd]/g, " ");
