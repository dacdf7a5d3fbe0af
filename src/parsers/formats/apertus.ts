/**
 * Apertus: `<|tools_prefix|>[{"NAME": {arguments}}, …]<|tools_suffix|>`. Cut JSON is completed, text before and after
 * is content, joined by a newline.
 */
import { Extraction } from "../extraction.ts";
import { dumpJson } from "../json-dump.ts";
import { readPartialJson } from "../partial-json.ts";
import { strip } from "../python-strings.ts";
import { isMap } from "../python-value.ts";
import { apertusReasoning } from "../reasoning/engine-families.ts";
import type { ToolFormat } from "../tool-format.ts";

const PREFIX = "<|tools_prefix|>";
const SUFFIX = "<|tools_suffix|>";

export const apertus: ToolFormat = {
  name: "apertus",
  aliases: ["apertus2509"],
  reasoning: apertusReasoning,
  extract(text) {
    const start = text.indexOf(PREFIX);
    if (start === -1) return Extraction.raw(text);
    const close = text.indexOf(SUFFIX, start);
    const bodyEnd = close === -1 ? text.length : close;
    const end = close === -1 ? text.length : close + SUFFIX.length;
    const read = readPartialJson(text.slice(start + PREFIX.length, bodyEnd));
    if (read === undefined) return Extraction.raw(text, "malformed", `No JSON behind ${PREFIX}.`);
    const result = new Extraction(text);
    for (const element of Array.isArray(read.value) ? read.value : [read.value]) {
      const [entry, ...others] = isMap(element) ? element : [];
      if (entry === undefined || entry[0] === "") {
        result.problem("no_name", "An element that names no function.", start, end);
        continue;
      }
      result.call({ name: entry[0], arguments: dumpJson(entry[1]) }, start, end);
      if (others.length > 0) result.problem("stray_text", "An element with more than one function.", start, end);
    }
    if (result.calls.length === 0)
      return Extraction.raw(text, read.complete ? "no_name" : "truncated", `No call behind ${PREFIX}.`);
    if (!read.complete) result.problem("truncated", "The list of calls has no end; it was completed.", start, end);
    result.cover(0, text.length);
    const after = text.slice(end).replaceAll(SUFFIX, "");
    result.content = [strip(text.slice(0, start)), strip(after)].filter((piece) => piece !== "").join("\n") || null;
    return result;
  },
};
