/**
 * DeepSeek V3.2 and V4 (DSML): invocations whose parameters say themselves whether the value is text (`string="true"`)
 * or JSON. A value that is text all the same gets its type from the schema. The three versions differ in tag names.
 */
import { coerceParameter } from "../coerce-by-schema.ts";
import type { ParseOptions, ReasoningParser } from "../contract.ts";
import type { ThinkTags } from "../engine-content.ts";
import { extractInvokes, type InvokeGrammar } from "../invoke-grammar.ts";
import { readJson } from "../json-reader.ts";
import { strip } from "../python-strings.ts";
import { isMap, type PyMap, type PyValue } from "../python-value.ts";
import { deepseekV3Reasoning } from "../reasoning/deepseek-v3.ts";
import { deepseekV4Reasoning } from "../reasoning/deepseek-v4.ts";
import type { TaggedParameter } from "../tagged-parameters.ts";
import type { ToolFormat } from "../tool-format.ts";
import { declaredParameters, parameterSchema } from "../tool-schemas.ts";

const THINK: ThinkTags = { open: "<think>", close: "</think>" };
const BAR = "\uff5c";

/** Reads `string="…"` parameters of any DSML look-alike; `space` stands between the bar and the tag's name. */
export function dsmlGrammar(label: string, wrapper: string, space: string, think: ThinkTags | null): InvokeGrammar {
  const tag = (name: string) => `<${BAR}${label}${BAR}${space}${name}`;
  const endTag = (name: string) => `</${BAR}${label}${BAR}${space}${name}>`;
  return {
    open: `${tag(wrapper)}>`,
    close: endTag(wrapper),
    wrapperOptional: false,
    invoke: `${tag("invoke")} name=`,
    invokeEnd: endTag("invoke"),
    parameter: {
      openPrefix: new RegExp(`${tag("parameter")} name="`, "y"),
      readHeader: readParameterHeader,
      close: new RegExp(endTag("parameter"), "y"),
    },
    think,
    refusesUnknownTools: false,
    readValue: readDsmlValue,
    mend: unwrapArguments,
    readBody: readJsonBody,
  };
}

function readParameterHeader(header: string): { key: string; attribute: string | null } | null {
  const match = /^([^"]*)"\s+string="(true|false)"\s*$/.exec(header);
  return match === null ? null : { key: match[1]!, attribute: match[2]! };
}

function readDsmlValue({ key, attribute, value }: TaggedParameter, tool: string, options: ParseOptions): PyValue {
  if (attribute === "true" || parameterSchema(options.tools, tool, key) !== null)
    return coerceParameter(value, options.tools, tool, key);
  const read = readJson(value);
  return read.ok ? read.value : value;
}

/** Some models write the arguments as one JSON object in place of parameters. */
function readJsonBody(body: string): PyMap | null {
  const read = readJson(strip(body));
  return read.ok && isMap(read.value) ? read.value : null;
}

/** Some models put all arguments into one parameter named `arguments` or `input`. */
function unwrapArguments(parameters: PyMap, tool: string, options: ParseOptions): PyMap {
  const [only, ...others] = parameters;
  const declared = declaredParameters(options.tools, tool);
  if (only === undefined || others.length > 0 || declared === null) return parameters;
  const [key, value] = only;
  if ((key !== "arguments" && key !== "input") || Object.hasOwn(declared, key)) return parameters;
  const read = typeof value === "string" ? readJson(value) : null;
  const inner = read?.ok ? read.value : value;
  if (!isMap(inner) || Object.keys(declared).length === 0) return parameters;
  return [...inner.keys()].every((name) => Object.hasOwn(declared, name)) ? inner : parameters;
}

function format(
  name: string,
  aliases: readonly string[],
  wrapper: string,
  space: string,
  think: ThinkTags | null,
  reasoning: ReasoningParser,
): ToolFormat {
  const grammar = dsmlGrammar("DSML", wrapper, space, think);
  return {
    name,
    aliases,
    reasoning,
    extract(text, options) {
      const result = extractInvokes(text, options, grammar);
      if (result.calls.length > 0) result.dropBlankContent();
      return result;
    },
  };
}

export const deepseekV32 = format(
  "deepseek_v3_2",
  ["deepseek_v32", "deepseekv32"],
  "function_calls",
  "",
  null,
  deepseekV3Reasoning,
);
export const deepseekV4 = format(
  "deepseek_v4",
  ["deepseekv4", "deepseek_dsml"],
  "tool_calls",
  "",
  THINK,
  deepseekV4Reasoning,
);
export const deepseekV41 = format(
  "deepseek_v4_1",
  ["deepseek_v41", "deepseekv41"],
  "calls",
  " ",
  THINK,
  deepseekV4Reasoning,
);
