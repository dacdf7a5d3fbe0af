/**
 * Gemma 4: `<|tool_call>call:NAME{key:value,…}<tool_call|>` with strings between `<|"|>` marks, bare keys, and nested
 * objects and lists. Bare values at the top get their type from the schema; nested ones stay text, as in the reference.
 */
import { coerceParameter } from "../coerce-by-schema.ts";
import { keepBeforeCalls } from "../engine-content.ts";
import { Extraction } from "../extraction.ts";
import { type GemmaObject, readGemmaObject } from "../gemma-values.ts";
import { dumpMap } from "../json-dump.ts";
import { skipSpace, strip } from "../python-strings.ts";
import type { PyValue } from "../python-value.ts";
import { gemma4Reasoning } from "../reasoning/engine-families.ts";
import { TokenFinder } from "../token-finder.ts";
import type { ToolFormat } from "../tool-format.ts";
import { isUnknownTool } from "../tool-schemas.ts";

const OPEN = "<|tool_call>";
const CLOSE = "<tool_call|>";
const TURN_END = "<turn|>";
const PREFIX = "call:";

export const gemma4: ToolFormat = {
  name: "gemma4",
  reasoning: gemma4Reasoning,
  extract(text, options) {
    const finder = new TokenFinder(text);
    const result = new Extraction(text);
    let at = 0;
    for (;;) {
      const open = finder.next(OPEN, at);
      keepBeforeCalls(result, finder, at, open === -1 ? text.length : open, {
        open: "<|channel>",
        close: "<channel|>",
      });
      if (open === -1) break;
      const bodyStart = open + OPEN.length;
      const nameAt = skipSpace(text, bodyStart);
      const brace = finder.next("{", bodyStart);
      const nextMarker = finder.first([OPEN, CLOSE, TURN_END], bodyStart)?.at ?? text.length;
      if (!text.startsWith(PREFIX, nameAt) || brace === -1 || brace > nextMarker) {
        const message = `${OPEN} without ${PREFIX}NAME{.`;
        if (result.calls.length === 0 && nextMarker === text.length) return Extraction.raw(text, "no_name", message);
        at = text.startsWith(CLOSE, nextMarker) ? nextMarker + CLOSE.length : nextMarker;
        result.problem("no_name", message, open, at);
        continue;
      }
      const name = strip(text.slice(nameAt + PREFIX.length, brace));
      const read = readGemmaObject(finder, brace, [CLOSE, TURN_END]);
      const after = skipSpace(text, read.end);
      const closing = [CLOSE, TURN_END].find((token) => text.startsWith(token, after));
      at = closing === undefined ? read.end : after + closing.length;
      if (name === "") {
        result.problem("no_name", "A call without a name.", open, at);
      } else if (options.reasoning && isUnknownTool(options.tools, name)) {
        result.problem("unknown_tool", `The tool "${name}" was not offered.`, open, at);
      } else {
        const entries = topLevel(read, (key, value) => coerceParameter(value, options.tools, name, key));
        result.call({ name, arguments: dumpMap(entries) }, open, at);
        if (!read.closed) result.problem("truncated", `The arguments of ${name} have no end.`, brace, read.end);
      }
    }
    if (result.calls.length > 0) result.trimContent();
    return result;
  },
};

function* topLevel(object: GemmaObject, coerce: (key: string, value: string) => PyValue): Generator<[string, PyValue]> {
  for (const [key, value] of object.entries) yield [key, typeof value === "string" ? coerce(key, value) : value];
}
