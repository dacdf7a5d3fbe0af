/**
 * LFM2: a list of Python calls between `<|tool_call_start|>` and `<|tool_call_end|>`; text before the block and after
 * the last end token is content. A complete list without an end token is taken.
 */
import { Extraction } from "../extraction.ts";
import { dumpJson } from "../json-dump.ts";
import { readPythonCalls } from "../python-calls.ts";
import { skipSpace, strip } from "../python-strings.ts";
import { thinkTags } from "../reasoning/think-tags.ts";
import type { ToolFormat } from "../tool-format.ts";

const START = "<|tool_call_start|>";
const END = "<|tool_call_end|>";

export const lfm2: ToolFormat = {
  name: "lfm2",
  reasoning: thinkTags,
  extract(text) {
    const start = text.indexOf(START);
    if (start === -1) return Extraction.raw(text);
    const close = text.indexOf(END, start);
    const bodyEnd = close === -1 ? text.length : close;
    const body = strip(text.slice(start + START.length, bodyEnd));
    const read = readPythonCalls(body, 0, "dotted");
    if (!read.ok || read.end !== body.length) {
      const truncated = close === -1 && !read.ok && read.at >= body.length;
      return Extraction.raw(text, truncated ? "truncated" : "malformed", `No list of calls behind ${START}.`);
    }
    const result = new Extraction(text);
    const end = close === -1 ? text.length : close + END.length;
    for (const { name, parameters } of read.calls) result.call({ name, arguments: dumpJson(parameters) }, start, end);
    const afterLast = close === -1 ? text.length : text.lastIndexOf(END) + END.length;
    const before = text.slice(0, start);
    const after = text.slice(afterLast);
    result.cover(0, start);
    result.cover(skipSpace(text, afterLast), text.length);
    result.content = [strip(before), strip(after)].filter((piece) => piece !== "").join("\n") || null;
    return result;
  },
};
