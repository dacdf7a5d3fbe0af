/**
 * MiniMax M3: invocations whose arguments are nested elements, a namespace token before every tag. A wrapper that is
 * not well formed to its end leaves the whole text as content.
 */

import { coerceElement } from "../coerce-elements.ts";
import { Extraction } from "../extraction.ts";
import { dumpMap } from "../json-dump.ts";
import { ElementReader, MalformedElement, NAMESPACE } from "../namespace-elements.ts";
import { isBlank, skipSpace } from "../python-strings.ts";
import type { PyMap } from "../python-value.ts";
import { minimaxM3Reasoning } from "../reasoning/minimax-m3.ts";
import type { ToolFormat } from "../tool-format.ts";
import { argumentsSchema } from "../tool-schemas.ts";

const OPEN = `${NAMESPACE}<tool_call>`;
const CLOSE = `${NAMESPACE}</tool_call>`;

export const minimaxM3: ToolFormat = {
  name: "minimax_m3",
  aliases: ["minimax-m3"],
  reasoning: minimaxM3Reasoning,
  extract(text, options) {
    const start = text.indexOf(OPEN);
    if (start === -1) return Extraction.raw(text);
    const result = new Extraction(text);
    result.keep(0, start);
    result.cover(start, start + OPEN.length);
    const reader = new ElementReader(text, start + OPEN.length);
    try {
      for (;;) {
        reader.at = skipSpace(text, reader.at);
        if (text.startsWith(CLOSE, reader.at)) {
          result.cover(reader.at, reader.at + CLOSE.length);
          break;
        }
        if (reader.at >= text.length && result.calls.length > 0) break;
        const invoke = reader.invoke();
        const schema = argumentsSchema(options.tools, invoke.name);
        const properties = schema?.properties;
        const parameters: PyMap = new Map();
        for (const child of invoke.children)
          parameters.set(child.name, coerceElement(child, schemaOf(properties, child.name)));
        result.call({ name: invoke.name, arguments: dumpMap(parameters) }, invoke.start, reader.at);
        if (invoke.junk !== null && !isBlank(text.slice(invoke.junk.start, invoke.junk.end)))
          result.problem("stray_text", "Text between the parameters of a call.", invoke.junk.start, invoke.junk.end);
      }
    } catch (error) {
      if (!(error instanceof MalformedElement)) throw error;
      return Extraction.raw(text, error.at >= text.length ? "truncated" : "malformed", error.message);
    }
    return result.calls.length > 0 ? result : Extraction.raw(text, "no_name", `${OPEN} without a call.`);
  },
};

function schemaOf(properties: unknown, name: string): unknown {
  return typeof properties === "object" && properties !== null && Object.hasOwn(properties, name)
    ? (properties as Record<string, unknown>)[name]
    : undefined;
}
