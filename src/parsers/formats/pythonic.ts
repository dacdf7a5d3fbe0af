/**
 * Python calls as the whole answer: `[f(a=1, b="x"), g()]` (Llama 3.2, ToolACE), the same between Llama 4's tokens, and
 * Olmo 3's calls a line in a wrapper. Text that is not exactly of the format is content.
 */
import type { ProblemReason } from "../contract.ts";
import { Extraction } from "../extraction.ts";
import { dumpJson } from "../json-dump.ts";
import { readPythonCalls } from "../python-calls.ts";
import { strip } from "../python-strings.ts";
import { olmo3Reasoning } from "../reasoning/olmo3.ts";
import { thinkTags } from "../reasoning/think-tags.ts";
import type { ToolFormat } from "../tool-format.ts";

const START = "<|python_start|>";
const END = "<|python_end|>";

/** The list between two positions, if it fills them; otherwise what stands between them is content. */
function extractList(text: string, start: number, end: number): Extraction {
  const list = text.slice(start, end);
  const result = new Extraction(text);
  const asContent = (reason?: ProblemReason, message = ""): Extraction => {
    result.cover(0, start);
    result.keep(start, end);
    result.cover(end, text.length);
    if (reason !== undefined) result.problem(reason, message, 0, text.length);
    return result;
  };
  if (!/^\[[a-zA-Z]\w*\(/.test(list)) return asContent();
  const read = readPythonCalls(list, 0);
  if (!read.ok) {
    const reason = read.at >= list.length ? "truncated" : "malformed";
    return asContent(reason, `Not a list of calls (position ${start + read.at}).`);
  }
  if (read.end !== list.length) return asContent("stray_text", "Text behind the list of calls.");
  for (const { name, parameters } of read.calls) result.call({ name, arguments: dumpJson(parameters) }, 0, text.length);
  return result;
}

export const pythonic: ToolFormat = {
  name: "pythonic",
  reasoning: thinkTags,
  extract: (text) => extractList(text, 0, text.length),
};

export const llama4Pythonic: ToolFormat = {
  name: "llama4_pythonic",
  reasoning: thinkTags,
  extract(text) {
    const start = text.startsWith(START) ? START.length : 0;
    const end = text.endsWith(END) ? Math.max(start, text.length - END.length) : text.length;
    return extractList(text, start, end);
  },
};

const OPEN = "<function_calls>";
const CLOSE = "</function_calls>";

export const olmo3: ToolFormat = {
  name: "olmo3",
  reasoning: olmo3Reasoning,
  extract(text) {
    const open = text.indexOf(OPEN);
    const close = open === -1 ? -1 : text.indexOf(CLOSE, open);
    if (open !== -1 && close === -1) return Extraction.raw(text, "truncated", `${OPEN} without ${CLOSE}.`);
    const start = open === -1 ? 0 : open;
    const end = open === -1 ? text.length : close + CLOSE.length;
    const body = open === -1 ? text : text.slice(open + OPEN.length, close);
    const lines = body.split("\n").map(strip);
    const read = readPythonCalls(`[${lines.filter((line) => line !== "").join(", ")}]`, 0);
    if (!read.ok)
      return open === -1 ? Extraction.raw(text) : Extraction.raw(text, "malformed", `No calls between ${OPEN} tags.`);
    const result = new Extraction(text);
    for (const { name, parameters } of read.calls) result.call({ name, arguments: dumpJson(parameters) }, start, end);
    return result;
  },
};
