/**
 * The post-processors of tokenizer.json, as far as one sequence is concerned: which special ids stand before and after
 * the text's own.
 */
import { type Fields, tokenizerError } from "./fields.ts";

export interface Affixes {
  before: number[];
  after: number[];
}

export function readPostProcessor(fields: Fields | null): Affixes {
  if (fields === null) return { before: [], after: [] };
  const type = fields.text("type");
  switch (type) {
    case "Sequence": {
      const result: Affixes = { before: [], after: [] };
      for (const step of fields.objects("processors").map(readPostProcessor)) {
        result.before.unshift(...step.before);
        result.after.push(...step.after);
      }
      return result;
    }
    case "ByteLevel":
      return { before: [], after: [] };
    case "TemplateProcessing":
      return templateProcessing(fields);
    case "BertProcessing":
    case "RobertaProcessing":
      return { before: [pairId(fields, "cls")], after: [pairId(fields, "sep")] };
    default:
      throw tokenizerError(`the post-processor ${type} is not known`);
  }
}

/** `single` is a list of `{SpecialToken: {id}}` and one `{Sequence: {id: "A"}}`. */
function templateProcessing(fields: Fields): Affixes {
  const result: Affixes = { before: [], after: [] };
  const specials = fields.object("special_tokens");
  let seen = false;
  for (const piece of fields.objects("single")) {
    const special = piece.object("SpecialToken");
    if (special === null) {
      seen = true;
      continue;
    }
    const ids = specials?.object(special.text("id"))?.list("ids");
    if (ids === undefined || !ids.every((id) => typeof id === "number")) {
      throw tokenizerError(`${fields.where}.special_tokens lacks ${special.text("id")}`);
    }
    (seen ? result.after : result.before).push(...ids);
  }
  return result;
}

/** `[token, id]`. */
function pairId(fields: Fields, name: string): number {
  const id = fields.list(name)[1];
  if (typeof id !== "number") throw tokenizerError(`${fields.where}.${name} must be [token, id]`);
  return id;
}
