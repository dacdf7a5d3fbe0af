/**
 * Llama 3 and 4 with JSON: objects `{"name", "parameters" or "arguments"}` anywhere in the text, often behind
 * `<|python_tag|>` and parted by `;`. Any brace that does not begin such an object leaves the whole text as content.
 */
import { Extraction } from "../extraction.ts";
import { readJsonAt } from "../json-reader.ts";
import { type NamedCallRules, namedCall } from "../named-call.ts";
import { skipSpace } from "../python-strings.ts";
import { thinkTags } from "../reasoning/think-tags.ts";
import type { ToolFormat } from "../tool-format.ts";

const RULES: NamedCallRules = {
  argumentKeys: ["arguments", "parameters"],
  missingArguments: "refused",
  textArguments: "printed",
};
const TAG = "<|python_tag|>";

export const llamaJson: ToolFormat = {
  name: "llama3_json",
  aliases: ["llama4_json", "llama3"],
  reasoning: thinkTags,
  extract(text) {
    const result = new Extraction(text);
    let at = text.indexOf("{");
    while (at !== -1) {
      const read = readJsonAt(text, at);
      if (!read.ok)
        return read.truncated
          ? Extraction.raw(text, "truncated", "The text ends inside a JSON object.")
          : Extraction.raw(text, "malformed", `The brace at ${at} begins no JSON (position ${read.at}).`);
      const call = namedCall(read.value, RULES);
      if (call === null)
        return Extraction.raw(text, "no_name", `The object at ${at} lacks "name", or "parameters" and "arguments".`);
      result.call(call, at, read.end);
      const separator = skipSpace(text, read.end);
      if (text[separator] === ";") result.cover(separator, separator + 1);
      at = text.indexOf("{", read.end);
    }
    if (result.calls.length === 0) return Extraction.raw(text);
    for (let tag = text.indexOf(TAG); tag !== -1; tag = text.indexOf(TAG, tag + 1)) result.cover(tag, tag + TAG.length);
    return result;
  },
};
