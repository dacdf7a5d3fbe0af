/**
 * The pre-tokenizers of tokenizer.json: each takes pieces of text and gives smaller ones, never empty ones.
 */
import { toByteChars } from "./byte-level.ts";
import { type Fields, tokenizerError } from "./fields.ts";
import { PUNCTUATION } from "./older-unicode.ts";
import { type Piece, type SplitBehavior, splitPiece, stretches } from "./pieces.ts";
import { compilePattern, literalPattern } from "./regex.ts";
import { unicodeScripts } from "./unicode-scripts.ts";

export type PreTokenizer = (pieces: Piece[]) => Piece[];

const GPT2 = compilePattern("'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+");
const WHITE_SPACE = /\p{White_Space}/gv;
const WORDS =
  /[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]+|[^\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}\p{White_Space}]+/gv;
const NUMERIC = /\p{N}/gv;
const NUMERIC_RUN = /\p{N}+/gv;

/** The pre-tokenizer that a tokenizer.json asks for; null (none) leaves the text whole. */
export function readPreTokenizer(fields: Fields | null): PreTokenizer {
  if (fields === null) return (pieces) => pieces;
  const type = fields.text("type");
  switch (type) {
    case "Sequence": {
      const steps = fields.objects("pretokenizers").map(readPreTokenizer);
      return (pieces) => steps.reduce((result, step) => step(result), pieces);
    }
    case "ByteLevel":
      return byteLevel(fields.flag("add_prefix_space", true), fields.flag("use_regex", true));
    case "Split":
      return splitBy(readPattern(fields), readBehavior(fields), fields.flag("invert", false));
    case "Whitespace":
      return splitBy(WORDS, "Removed", true);
    case "WhitespaceSplit":
      return splitBy(WHITE_SPACE, "Removed", false);
    case "Punctuation":
      return splitBy(PUNCTUATION, fields.has("behavior") ? readBehavior(fields) : "Isolated", false);
    case "Digits":
      return fields.flag("individual_digits", false)
        ? splitBy(NUMERIC, "Isolated", false)
        : splitBy(NUMERIC_RUN, "Isolated", false);
    case "BertPreTokenizer": {
      const words = splitBy(WHITE_SPACE, "Removed", false);
      const punctuation = splitBy(PUNCTUATION, "Isolated", false);
      return (pieces) => punctuation(words(pieces));
    }
    case "CharDelimiterSplit":
      return splitBy(literalPattern(fields.text("delimiter")), "Removed", false);
    case "FixedLength":
      return fixedLength(fields.number("length", 5));
    case "Metaspace":
      return metaspace(readMetaspace(fields));
    case "UnicodeScripts":
      return (pieces) => pieces.flatMap(unicodeScripts);
    default:
      throw tokenizerError(`the pre-tokenizer ${type} is not known`);
  }
}

/** A pattern field: `{"String": …}` or `{"Regex": …}`. */
export function readPattern(fields: Fields): RegExp {
  const pattern = fields.object("pattern");
  if (pattern === null) throw tokenizerError(`${fields.where}.pattern is missing`);
  return pattern.has("Regex") ? compilePattern(pattern.text("Regex")) : literalPattern(pattern.text("String"));
}

const BEHAVIORS: Record<string, SplitBehavior> = {
  removed: "Removed",
  isolated: "Isolated",
  mergedwithprevious: "MergedWithPrevious",
  mergedwithnext: "MergedWithNext",
  contiguous: "Contiguous",
};

function readBehavior(fields: Fields): SplitBehavior {
  const name = fields.text("behavior");
  const behavior = BEHAVIORS[name.replaceAll("_", "").toLowerCase()];
  if (behavior === undefined) throw tokenizerError(`${fields.where}.behavior ${name} is not known`);
  return behavior;
}

function splitBy(pattern: RegExp, behavior: SplitBehavior, invert: boolean): PreTokenizer {
  return (pieces) => pieces.flatMap((piece) => splitPiece(piece, stretches(piece.text, pattern, invert), behavior));
}

function byteLevel(addPrefixSpace: boolean, useRegex: boolean): PreTokenizer {
  const split = useRegex ? splitBy(GPT2, "Isolated", false) : (pieces: Piece[]) => pieces;
  return (pieces) => {
    const prefixed = addPrefixSpace
      ? pieces.map((piece) => (piece.text.startsWith(" ") ? piece : { ...piece, text: ` ${piece.text}` }))
      : pieces;
    return split(prefixed).map((piece) => ({ text: toByteChars(piece.text), first: piece.first }));
  };
}

function fixedLength(length: number): PreTokenizer {
  return (pieces) =>
    pieces.flatMap((piece) => {
      const chars = [...piece.text];
      const result: Piece[] = [];
      for (let at = 0; at < chars.length; at += length) {
        result.push({ text: chars.slice(at, at + length).join(""), first: piece.first && at === 0 });
      }
      return result;
    });
}

export interface Metaspace {
  replacement: string;
  scheme: "always" | "first" | "never";
  split: boolean;
}

/** Files before tokenizers 0.15 say `add_prefix_space` in place of `prepend_scheme`. */
export function readMetaspace(fields: Fields): Metaspace {
  const scheme = fields.text("prepend_scheme", fields.flag("add_prefix_space", true) ? "always" : "never");
  if (scheme !== "always" && scheme !== "first" && scheme !== "never") {
    throw tokenizerError(`${fields.where}.prepend_scheme ${scheme} is not known`);
  }
  return { replacement: fields.text("replacement", "▁"), scheme, split: fields.flag("split", true) };
}

function metaspace({ replacement, scheme, split }: Metaspace): PreTokenizer {
  const cut = splitBy(literalPattern(replacement), "MergedWithNext", false);
  return (pieces) => {
    const replaced = pieces.map(({ text, first }) => {
      const marked = text.replaceAll(" ", replacement);
      const prepend = !marked.startsWith(replacement) && (scheme === "always" || (scheme === "first" && first));
      return { text: prepend ? replacement + marked : marked, first };
    });
    return split ? cut(replaced) : replaced;
  };
}
