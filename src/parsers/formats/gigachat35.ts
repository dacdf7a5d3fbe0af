/** GigaChat 3.5 (GCML): DSML's invocations under another label. Parameters not marked as text are JSON if they can be. */

import { extractInvokes } from "../invoke-grammar.ts";
import { readJson } from "../json-reader.ts";
import { skipSpaceBack } from "../python-strings.ts";
import { thinkTags } from "../reasoning/think-tags.ts";
import type { ToolFormat } from "../tool-format.ts";
import { dsmlGrammar } from "./dsml.ts";

const GRAMMAR = dsmlGrammar("GCML", "tool_calls", "", null);
const ENDS = ["<|message_sep|>", "</s>"];

export const gigachat35: ToolFormat = {
  name: "gigachat35",
  reasoning: thinkTags,
  extract(text, options) {
    const result = extractInvokes(text, options, {
      ...GRAMMAR,
      readValue: ({ attribute, value }) => {
        const read = attribute === "true" ? null : readJson(value);
        return read?.ok ? read.value : value;
      },
    });
    if (result.calls.length === 0) return result;
    result.dropBlankContent();
    let end = skipSpaceBack(text, 0, text.length);
    for (const mark of [...ENDS, ...ENDS]) {
      if (!text.slice(0, end).endsWith(mark)) continue;
      result.cover(end - mark.length, end);
      end -= mark.length;
    }
    return result;
  },
};
