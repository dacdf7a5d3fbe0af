/** InternLM 2: one action, `<|action_start|><|plugin|>` with a JSON object, up to `<|action_end|>` or the end. */
import { Extraction } from "../extraction.ts";
import { readJson } from "../json-reader.ts";
import { namedCall } from "../named-call.ts";
import { thinkTags } from "../reasoning/think-tags.ts";
import type { ToolFormat } from "../tool-format.ts";

const START = "<|action_start|>";
const PLUGIN = "<|plugin|>";
const END = "<|action_end|>";

export const internlm: ToolFormat = {
  name: "internlm",
  aliases: ["interns1"],
  reasoning: thinkTags,
  extract(text) {
    const start = text.indexOf(START);
    if (start === -1) return Extraction.raw(text);
    const plugin = text.indexOf(PLUGIN, start);
    if (plugin === -1 || text.slice(start + START.length, plugin).trim() !== "")
      return Extraction.raw(text, "malformed", `${START} without ${PLUGIN}.`);
    if (text.includes(START, start + START.length))
      return Extraction.raw(text, "malformed", "More than one action in an answer.");
    const close = text.indexOf(END, plugin);
    const bodyEnd = close === -1 ? text.length : close;
    const brace = text.indexOf("{", plugin);
    const read = brace === -1 || brace >= bodyEnd ? null : readJson(text.slice(brace, bodyEnd));
    if (!read?.ok) {
      const truncated = close === -1 && (read?.truncated ?? true);
      return Extraction.raw(text, truncated ? "truncated" : "malformed", "The action is not a JSON object.");
    }
    const call = namedCall(read.value, {
      argumentKeys: ["parameters", "arguments"],
      missingArguments: "empty",
      textArguments: "printed",
    });
    if (call === null) return Extraction.raw(text, "no_name", 'The action has no "name".');
    const result = new Extraction(text);
    result.keep(0, start);
    result.cover(start, plugin + PLUGIN.length);
    result.call(call, brace, close === -1 ? text.length : close + END.length);
    return result;
  },
};
