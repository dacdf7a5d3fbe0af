/** Reads the `model` of a tokenizer.json. Files of old have no `type`; their fields tell. */
import { Bpe } from "./bpe.ts";
import { type Fields, tokenizerError } from "./fields.ts";
import { type Model, Vocabulary } from "./model.ts";
import { Unigram } from "./unigram.ts";
import { WordLevel, WordPiece } from "./word-models.ts";

export type ModelType = "BPE" | "Unigram" | "WordPiece" | "WordLevel";

export function readModel(file: Fields): { type: ModelType; model: Model } {
  const fields = file.object("model");
  if (fields === null) throw tokenizerError("tokenizer.json has no model");
  const type = fields.text("type", guessType(fields));
  switch (type) {
    case "BPE":
      return { type, model: Bpe.fromJson(fields, readVocabulary(fields)) };
    case "Unigram":
      return { type, model: Unigram.fromJson(fields) };
    case "WordPiece":
      return { type, model: new WordPiece(fields, readVocabulary(fields)) };
    case "WordLevel":
      return { type, model: new WordLevel(fields, readVocabulary(fields)) };
    default:
      throw tokenizerError(`the model ${type} is not known`);
  }
}

function guessType(fields: Fields): string {
  if (fields.has("merges")) return "BPE";
  if (Array.isArray(fields.json.vocab)) return "Unigram";
  return fields.has("continuing_subword_prefix") ? "WordPiece" : "WordLevel";
}

function readVocabulary(fields: Fields): Vocabulary {
  const vocab = fields.object("vocab");
  if (vocab === null) throw tokenizerError(`${fields.where}.vocab is missing`);
  const ids = new Map<string, number>();
  for (const token in vocab.json) {
    const id = vocab.json[token];
    if (typeof id !== "number" || !Number.isInteger(id) || id < 0) {
      throw tokenizerError(`${fields.where}.vocab[${JSON.stringify(token)}] is not an id`);
    }
    ids.set(token, id);
  }
  return new Vocabulary(ids);
}
