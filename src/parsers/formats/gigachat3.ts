/**
 * GigaChat 3: one JSON call at the very end of the text, behind `<|function_call|>` (3.1) or
 * `function call<|role_sep|>` (3.0). Text after the JSON leaves everything as content. Raw newlines in strings pass.
 */
import { Extraction } from "../extraction.ts";
import { readJson } from "../json-reader.ts";
import { namedCall } from "../named-call.ts";
import { skipSpaceBack } from "../python-strings.ts";
import { isMap } from "../python-value.ts";
import { thinkTags } from "../reasoning/think-tags.ts";
import type { ToolFormat } from "../tool-format.ts";

const MARKER = "<|function_call|>";
const OLD_MARKER = "function call<|role_sep|>\n";
const MESSAGE = "<|message_sep|>\n\n";
const END = "</s>";

export const gigachat3: ToolFormat = {
  name: "gigachat3",
  reasoning: thinkTags,
  extract(text) {
    const plain = text.indexOf(MARKER);
    const old = plain === -1 ? text.indexOf(OLD_MARKER) : -1;
    if (plain === -1 && old === -1) return Extraction.raw(text);
    const bodyStart = plain === -1 ? old + OLD_MARKER.length : plain + MARKER.length;
    const trimmed = skipSpaceBack(text, bodyStart, text.length);
    const bodyEnd = text.endsWith(END, trimmed) ? trimmed - END.length : trimmed;
    const read = readJson(text.slice(bodyStart, bodyEnd), { strict: false });
    if (!read.ok)
      return Extraction.raw(
        text,
        read.truncated ? "truncated" : "malformed",
        `The call is not JSON to the end of the text (position ${bodyStart + read.at}).`,
      );
    const call = namedCall(read.value, {
      argumentKeys: ["arguments"],
      missingArguments: "refused",
      textArguments: "printed",
    });
    if (call === null || !isMap(read.value) || !isMap(read.value.get("arguments")))
      return Extraction.raw(text, "malformed", 'The call lacks a "name" or "arguments" that are an object.');
    const result = new Extraction(text);
    const contentEnd = plain === -1 ? (text.endsWith(MESSAGE, old) ? old - MESSAGE.length : old) : plain;
    result.keep(0, contentEnd);
    result.call(call, contentEnd, text.length);
    return result;
  },
};
