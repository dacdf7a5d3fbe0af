/**
 * Dots: MiniMax's invocations in a wrapper of their own, or a JSON body. Values are trimmed and typed by the schema,
 * references in it followed; a tool that was not offered leaves the text as content.
 */
import { isObject, type JsonSchema } from "../../core/index.ts";
import { coerceText } from "../coerce-by-schema.ts";
import type { ParseOptions } from "../contract.ts";
import { Extraction } from "../extraction.ts";
import { extractInvokes, type InvokeGrammar, unquote } from "../invoke-grammar.ts";
import { readJson } from "../json-reader.ts";
import { strip } from "../python-strings.ts";
import { isMap, type PyMap } from "../python-value.ts";
import { thinkTags } from "../reasoning/think-tags.ts";
import type { ToolFormat } from "../tool-format.ts";
import { argumentsSchema, parameterSchema } from "../tool-schemas.ts";

const GRAMMAR: InvokeGrammar = {
  open: "<dots_function_call>",
  close: "</dots_function_call>",
  wrapperOptional: false,
  invoke: "<invoke name=",
  invokeEnd: "</invoke>",
  parameter: {
    openPrefix: /<parameter name=/y,
    readHeader: (header) => (unquote(header) === "" ? null : { key: unquote(header), attribute: null }),
    close: /<\/parameter>/y,
  },
  think: null,
  refusesUnknownTools: true,
  readValue({ key, value }, tool, options) {
    const text = strip(value);
    if (text === "null") return null;
    const schema = resolvedSchema(options, tool, key);
    return schema === null ? text : coerceText(text, schema);
  },
  readBody(body): PyMap | null {
    const read = readJson(strip(body));
    return read.ok && isMap(read.value) ? read.value : null;
  },
};

/** The parameter's schema with one reference of the form `#/a/b` followed. */
function resolvedSchema(options: ParseOptions, tool: string, key: string): JsonSchema | null {
  const schema = parameterSchema(options.tools, tool, key);
  if (typeof schema?.$ref !== "string" || !schema.$ref.startsWith("#/")) return schema;
  let found: unknown = argumentsSchema(options.tools, tool);
  for (const step of schema.$ref.slice(2).split("/"))
    found = isObject(found) && Object.hasOwn(found, step) ? found[step] : undefined;
  return isObject(found) ? found : schema;
}

export const dots: ToolFormat = {
  name: "dots",
  reasoning: thinkTags,
  extract(text, options) {
    const result = extractInvokes(text, options, GRAMMAR);
    const refused = result.problems.find((problem) => problem.reason === "unknown_tool");
    if (refused !== undefined) return Extraction.raw(text, refused.reason, refused.message);
    if (result.calls.length > 0) result.trimContent();
    return result;
  },
};
