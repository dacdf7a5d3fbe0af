/** Nemotron Nano v2: `<TOOLCALL>[…]</TOOLCALL>`, an array of calls or one call. Arguments that are a string stay so. */
import { Extraction } from "../extraction.ts";
import { readJson } from "../json-reader.ts";
import { namedCalls } from "../named-call.ts";
import { thinkTags } from "../reasoning/think-tags.ts";
import type { ToolFormat } from "../tool-format.ts";

const OPEN = "<TOOLCALL>";
const CLOSE = "</TOOLCALL>";

export const nemotronJson: ToolFormat = {
  name: "nemotron_json",
  reasoning: thinkTags,
  extract(text) {
    const open = text.indexOf(OPEN);
    if (open === -1) return Extraction.raw(text);
    const close = text.indexOf(CLOSE, open);
    const bodyEnd = close === -1 ? text.length : close;
    const read = readJson(text.slice(open + OPEN.length, bodyEnd));
    if (!read.ok)
      return Extraction.raw(
        text,
        close === -1 && read.truncated ? "truncated" : "malformed",
        `The block is not JSON (position ${read.at} of it).`,
      );
    const calls = namedCalls(Array.isArray(read.value) ? read.value : [read.value], {
      argumentKeys: ["arguments"],
      missingArguments: "empty",
      textArguments: "verbatim",
    });
    if (calls === null) return Extraction.raw(text, "no_name", "The block is not an array of calls.");
    const result = new Extraction(text);
    const end = close === -1 ? text.length : close + CLOSE.length;
    result.keep(0, open);
    for (const call of calls) result.call(call, open, end);
    if (calls.length === 0) result.problem("malformed", "An empty array of calls.", open, end);
    return result;
  },
};
