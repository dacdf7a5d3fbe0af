/** Phi-4 mini: `functools[…]`, an array of calls anywhere in the text. Text beside it is no content. */
import { Extraction } from "../extraction.ts";
import { readJsonAt } from "../json-reader.ts";
import { namedCalls } from "../named-call.ts";
import { thinkTags } from "../reasoning/think-tags.ts";
import type { ToolFormat } from "../tool-format.ts";

const MARKER = "functools[";

export const phi4Mini: ToolFormat = {
  name: "phi4_mini_json",
  reasoning: thinkTags,
  extract(text) {
    const marker = text.indexOf(MARKER);
    if (marker === -1) return Extraction.raw(text);
    const read = readJsonAt(text, marker + MARKER.length - 1);
    if (!read.ok)
      return Extraction.raw(
        text,
        read.truncated ? "truncated" : "malformed",
        `No JSON array behind "functools" (position ${read.at}).`,
      );
    const calls = namedCalls(read.value, {
      argumentKeys: ["arguments", "parameters"],
      missingArguments: "refused",
      textArguments: "printed",
    });
    if (calls === null) return Extraction.raw(text, "no_name", "An element of the array is no call.");
    const result = new Extraction(text);
    for (const call of calls) result.call(call, marker, read.end);
    if (calls.length === 0) result.problem("malformed", "An empty array of calls.", marker, read.end);
    return result;
  },
};
