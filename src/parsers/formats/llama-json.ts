/**
 * Llama 3 and 4 with JSON: objects `{"name", "parameters" or "arguments"}` anywhere in the text, often behind
 * `<|python_tag|>` and parted by `;`. Any brace that does not begin such an object leaves the whole text as content.
 */
import { Extraction } from "../extraction.ts";
import { dumpJson } from "../json-dump.ts";
import { readJsonAt } from "../json-reader.ts";
import { skipSpace } from "../python-strings.ts";
import { isMap } from "../python-value.ts";
import { thinkTags } from "../reasoning/think-tags.ts";
import type { ToolFormat } from "../tool-format.ts";

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
      const call = isMap(read.value) ? read.value : null;
      const name = call?.get("name");
      const args = call?.has("arguments") ? call.get("arguments") : call?.get("parameters");
      if (typeof name !== "string" || args === undefined)
        return Extraction.raw(text, "no_name", `The object at ${at} lacks "name", or "parameters" and "arguments".`);
      result.call({ name, arguments: dumpJson(args) }, at, read.end);
      const separator = skipSpace(text, read.end);
      if (text[separator] === ";") result.cover(separator, separator + 1);
      at = text.indexOf("{", read.end);
    }
    if (result.calls.length === 0) return Extraction.raw(text);
    for (let tag = text.indexOf(TAG); tag !== -1; tag = text.indexOf(TAG, tag + 1)) result.cover(tag, tag + TAG.length);
    return result;
  },
};
