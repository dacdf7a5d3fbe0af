/** Jamba and Apriel: `<tool_calls>[…]</tool_calls>`, the first closed block only; each element a complete call. */
import { Extraction } from "../extraction.ts";
import { readJson } from "../json-reader.ts";
import { namedCalls } from "../named-call.ts";
import { thinkTags } from "../reasoning/think-tags.ts";
import type { ToolFormat } from "../tool-format.ts";

const OPEN = "<tool_calls>";
const CLOSE = "</tool_calls>";

export const jamba: ToolFormat = {
  name: "jamba",
  aliases: ["apriel"],
  reasoning: thinkTags,
  extract(text) {
    const open = text.indexOf(OPEN);
    if (open === -1) return Extraction.raw(text);
    const close = text.indexOf(CLOSE, open);
    if (close === -1) return Extraction.raw(text, "truncated", `${OPEN} without ${CLOSE}.`);
    const read = readJson(text.slice(open + OPEN.length, close));
    if (!read.ok) return Extraction.raw(text, "malformed", `The block is not JSON (position ${read.at} of it).`);
    const calls = namedCalls(read.value, {
      argumentKeys: ["arguments"],
      missingArguments: "refused",
      textArguments: "printed",
    });
    if (calls === null) return Extraction.raw(text, "no_name", "The block is not an array of calls.");
    const result = new Extraction(text);
    const end = close + CLOSE.length;
    result.keep(0, open);
    if (result.content === " ") result.content = null;
    for (const call of calls) result.call(call, open, end);
    if (calls.length === 0) result.problem("malformed", "An empty array of calls.", open, end);
    return result;
  },
};
