/**
 * K2 Horizon: a section of calls, each of pairs (with a type between key and value, or without) or of JSON. It fails
 * closed: anything that is not exactly of the format, a repeated key or a tool that was not offered, and the whole text
 * is content. `variant` (or the template's `tool_call_format`) asks for `xml`, `xml_typed` or `json`; without it a body that begins with `{` is JSON.
 */
import { coerceText } from "../coerce-by-schema.ts";
import type { ParseOptions } from "../contract.ts";
import { Extraction } from "../extraction.ts";
import { dumpMap } from "../json-dump.ts";
import { readJson } from "../json-reader.ts";
import { skipSpace, strip } from "../python-strings.ts";
import { isMap, type PyMap, type PyValue } from "../python-value.ts";
import { thinkTags } from "../reasoning/think-tags.ts";
import type { ToolFormat } from "../tool-format.ts";
import { isUnknownTool, parameterSchema } from "../tool-schemas.ts";

const tag = (name: string): string => `<ifm|${name}>`;
const endTag = (name: string): string => `</ifm|${name}>`;
const SECTION = tag("tool_calls");
const SECTION_END = endTag("tool_calls");
const CALL = tag("tool_call");
const CALL_END = endTag("tool_call");

interface HorizonCall {
  name: string;
  parameters: PyMap;
}

export const k2Horizon: ToolFormat = {
  name: "k2_horizon",
  reasoning: thinkTags,
  extract(text, options) {
    const start = text.indexOf(SECTION);
    if (start === -1) return Extraction.raw(text);
    const sectionEnd = text.indexOf(SECTION_END, start);
    if (sectionEnd === -1) return Extraction.raw(text, "truncated", `${SECTION} without ${SECTION_END}.`);
    const calls: HorizonCall[] = [];
    let at = skipSpace(text, start + SECTION.length);
    while (at < sectionEnd) {
      const close = text.startsWith(CALL, at) ? text.indexOf(CALL_END, at) : -1;
      if (close === -1 || close > sectionEnd) return Extraction.raw(text, "malformed", `No ${CALL} at ${at}.`);
      const body = text.slice(at + CALL.length, close);
      const call = readBody(body, options);
      if (typeof call === "string") return Extraction.raw(text, "malformed", call);
      if (options.tools != null && isUnknownTool(options.tools, call.name))
        return Extraction.raw(text, "unknown_tool", `The tool "${call.name}" was not offered.`);
      calls.push(call);
      at = skipSpace(text, close + CALL_END.length);
    }
    if (calls.length === 0) return Extraction.raw(text, "malformed", `An empty ${SECTION}.`);
    const result = new Extraction(text);
    const end = sectionEnd + SECTION_END.length;
    result.keep(0, start);
    for (const { name, parameters } of calls) result.call({ name, arguments: dumpMap(parameters) }, start, end);
    result.keep(end, text.length);
    result.dropBlankContent();
    return result;
  },
};

/** The call of a body; a text that says what is wrong with it. */
function readBody(body: string, options: ParseOptions): HorizonCall | string {
  const isJson = strip(body).startsWith("{");
  const variant = options.variant ?? options.templateKwargs?.tool_call_format;
  if (variant === "json" ? !isJson : variant !== undefined && isJson)
    return `The body is not of the variant ${variant}.`;
  return isJson ? readJsonBody(body, options) : readPairsBody(body, options, variant === "xml_typed");
}

function readJsonBody(body: string, options: ParseOptions): HorizonCall | string {
  const read = readJson(body);
  const value = read.ok && isMap(read.value) ? read.value : null;
  const name = value?.get("name");
  const args = value?.get("arguments") ?? new Map();
  if (typeof name !== "string" || name === "" || !isMap(args)) return "The body is no JSON call.";
  const parameters: PyMap = new Map();
  for (const [key, item] of args) {
    const schema = typeof item === "string" ? parameterSchema(options.tools, name, key) : null;
    parameters.set(key, schema === null || typeof item !== "string" ? item : coerceText(item, schema));
  }
  return { name, parameters };
}

function readPairsBody(body: string, options: ParseOptions, typed: boolean): HorizonCall | string {
  const firstKey = body.indexOf(tag("arg_key"));
  const name = strip(firstKey === -1 ? body : body.slice(0, firstKey));
  if (name === "" || /[<>\s]/.test(name)) return "A call without a plain name.";
  const parameters: PyMap = new Map();
  let at = firstKey === -1 ? body.length : firstKey;
  while (at < body.length) {
    const key = element(body, at, "arg_key");
    const type = key === null ? null : element(body, key.end, "arg_type");
    const value = key === null ? null : element(body, type?.end ?? key.end, "arg_value");
    if (key === null || value === null || (typed && type === null)) return "An argument that is not complete.";
    const parameter = strip(key.text);
    if (parameters.has(parameter)) return `The argument "${parameter}" is given twice.`;
    parameters.set(parameter, readValue(value.text, type?.text ?? null, name, parameter, options));
    at = skipSpace(body, value.end);
  }
  return { name, parameters };
}

function readValue(text: string, type: string | null, tool: string, key: string, options: ParseOptions): PyValue {
  const schema = parameterSchema(options.tools, tool, key) ?? (type === null ? null : { type: strip(type) });
  return schema === null ? text : coerceText(text, schema);
}

/** The element of that name at a position, blanks before it allowed. */
function element(text: string, from: number, name: string): { text: string; end: number } | null {
  const at = skipSpace(text, from);
  if (!text.startsWith(tag(name), at)) return null;
  const start = at + tag(name).length;
  const close = text.indexOf(endTag(name), start);
  return close === -1 ? null : { text: text.slice(start, close), end: close + endTag(name).length };
}
