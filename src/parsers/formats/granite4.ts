/**
 * Granite 4: the tags and the JSON of Hermes, read strictly. Tags must alternate, each block must be a complete call,
 * and all text outside blocks is content, also between and after them.
 */
import { Extraction } from "../extraction.ts";
import { readJson } from "../json-reader.ts";
import { namedCall } from "../named-call.ts";
import { isMap } from "../python-value.ts";
import { thinkTags } from "../reasoning/think-tags.ts";
import { TokenFinder } from "../token-finder.ts";
import type { ToolFormat } from "../tool-format.ts";

const OPEN = "<tool_call>";
const CLOSE = "</tool_call>";

export const granite4: ToolFormat = {
  name: "granite4",
  reasoning: thinkTags,
  extract(text) {
    const finder = new TokenFinder(text);
    const result = new Extraction(text);
    let at = 0;
    for (;;) {
      const open = finder.first([OPEN, CLOSE], at);
      result.keep(at, open?.at ?? text.length);
      if (open === null) return result.calls.length > 0 ? result : Extraction.raw(text);
      if (open.token === CLOSE) return Extraction.raw(text, "malformed", `${CLOSE} without ${OPEN}.`);
      const bodyStart = open.at + OPEN.length;
      const close = finder.first([OPEN, CLOSE], bodyStart);
      if (close === null) return Extraction.raw(text, "truncated", `${OPEN} without ${CLOSE}.`);
      if (close.token === OPEN) return Extraction.raw(text, "malformed", `${OPEN} inside ${OPEN}.`);
      const read = readJson(text.slice(bodyStart, close.at));
      const call = read.ok
        ? namedCall(read.value, {
            argumentKeys: ["arguments"],
            missingArguments: "refused",
            textArguments: "verbatim",
          })
        : null;
      if (call === null || !read.ok || !isMap(read.value) || read.value.get("arguments") === null)
        return Extraction.raw(text, "malformed", `The block at ${open.at} is no call.`);
      at = close.at + CLOSE.length;
      result.call(call, open.at, at);
    }
  },
};
