/**
 * MiniMax M2: `<invoke name="f">` with `<parameter name="k">` values inside `<minimax:tool_call>`. Values are verbatim,
 * types come from the schema, calls to tools that were not offered are refused.
 */
import { coerceParameter } from "../coerce-by-schema.ts";
import { extractInvokes, type InvokeGrammar, unquote } from "../invoke-grammar.ts";
import { minimaxM2Reasoning } from "../reasoning/engine-families.ts";
import type { ToolFormat } from "../tool-format.ts";

const GRAMMAR: InvokeGrammar = {
  open: "<minimax:tool_call>",
  close: "</minimax:tool_call>",
  wrapperOptional: true,
  invoke: "<invoke name=",
  invokeEnd: "</invoke>",
  parameter: {
    openPrefix: /<parameter name=/y,
    readHeader: (header) => (unquote(header) === "" ? null : { key: unquote(header), attribute: null }),
    close: /<\/parameter>/y,
  },
  think: { open: null, close: "</think>" },
  refusesUnknownTools: true,
  readValue: ({ key, value }, tool, options) => coerceParameter(value, options.tools, tool, key),
};

export const minimaxM2: ToolFormat = {
  name: "minimax_m2",
  aliases: ["minimax-m2", "minimax_m2_append_think"],
  reasoning: minimaxM2Reasoning,
  extract(text, options) {
    const result = extractInvokes(text, options, GRAMMAR);
    if (result.calls.length > 0) result.trimContent();
    return result;
  },
};
