/** The normalizers of tokenizer.json: text to text, before it is cut into pieces. */
import { type Fields, tokenizerError } from "./fields.ts";
import { readPattern } from "./pre-tokenizers.ts";

export type Normalizer = (text: string) => string;

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
      return (text) => text.normalize(type);
    case "Replace": {
      const pattern = readPattern(fields);
      const content = fields.text("content");
      return (text) => text.replace(pattern, () => content);
    }
    case "Prepend": {
      const prefix = fields.text("prepend");
      return (text) => (text === "" ? "" : prefix + text);
    }
    default:
      throw tokenizerError(`the normalizer ${type} is not known`);
  }
}
