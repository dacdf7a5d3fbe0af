/**
 * Granite 3: the whole answer is one JSON array of calls, after `<|tool_call|>` or `<tool_call>` or bare. Granite 20B:
 * one object behind each `<function_call>`. Anything else leaves the text as content.
 */
import { Extraction } from "../extraction.ts";
import { readJson, readJsonAt } from "../json-reader.ts";
import { type NamedCallRules, namedCall, namedCalls } from "../named-call.ts";
import { skipSpace, skipSpaceBack } from "../python-strings.ts";
import { graniteReasoning } from "../reasoning/granite.ts";
import { thinkTags } from "../reasoning/think-tags.ts";
import type { ToolFormat } from "../tool-format.ts";

const RULES: NamedCallRules = {
  argumentKeys: ["arguments"],
  missingArguments: "refused",
  textArguments: "printed",
};
const PREFIXES = ["<|tool_call|>", "<tool_call>"];

export const granite: ToolFormat = {
  name: "granite",
  reasoning: graniteReasoning,
  extract(text) {
    let start = skipSpace(text, 0);
    let marked = false;
    for (const prefix of PREFIXES) {
      if (!text.startsWith(prefix, start)) continue;
      start = skipSpace(text, start + prefix.length);
      marked = true;
    }
    if (text[start] !== "[")
      return marked ? Extraction.raw(text, "malformed", "No JSON array behind the marker.") : Extraction.raw(text);
    const read = readJson(text.slice(start));
    if (!read.ok)
      return Extraction.raw(
        text,
        read.truncated ? "truncated" : "malformed",
        `Not one JSON array of calls (position ${start + read.at}).`,
      );
    const calls = namedCalls(read.value, RULES);
    if (calls === null) return Extraction.raw(text, "no_name", "An element of the array is no call.");
    const result = new Extraction(text);
    for (const call of calls) result.call(call, 0, text.length);
    if (calls.length === 0) result.problem("malformed", "An empty array of calls.", 0, text.length);
    return result;
  },
};

const TAG = "<function_call>";

export const granite20b: ToolFormat = {
  name: "granite-20b-fc",
  aliases: ["granite_20b_fc"],
  reasoning: thinkTags,
  extract(text) {
    const first = text.indexOf(TAG);
    if (first === -1) return Extraction.raw(text);
    const result = new Extraction(text);
    result.keep(0, first);
    for (let at = first; at !== -1; ) {
      const start = skipSpace(text, at + TAG.length);
      const next = text.indexOf(TAG, at + TAG.length);
      const pieceEnd = next === -1 ? text.length : next;
      const read = readJsonAt(text.slice(0, pieceEnd), start);
      if (!read.ok)
        return Extraction.raw(
          text,
          read.truncated ? "truncated" : "malformed",
          `No JSON object behind ${TAG} (position ${read.at}).`,
        );
      const call = namedCall(read.value, RULES);
      if (call === null) return Extraction.raw(text, "no_name", `The object behind ${TAG} at ${at} is no call.`);
      result.call(call, at, read.end);
      at = next;
    }
    const end = skipSpaceBack(text, 0, text.length);
    if (text.endsWith("<|endoftext|>", end)) result.cover(end - "<|endoftext|>".length, end);
    return result;
  },
};
