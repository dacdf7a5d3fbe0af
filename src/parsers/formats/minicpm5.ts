/**
 * MiniCPM 5: `<function name="f"><param name="k">v</param></function>`, values with entities or CDATA. A call counts
 * only for an offered tool, with declared parameters, none twice and none of the required ones missing; parameters that
 * are not declared are left out. With calls there is no content, text beside them is `rest`.
 */
import { coerceText } from "../coerce-by-schema.ts";
import type { ParseOptions } from "../contract.ts";
import { Extraction } from "../extraction.ts";
import { dumpMap } from "../json-dump.ts";
import { readJson } from "../json-reader.ts";
import { strip } from "../python-strings.ts";
import { isMap, type PyMap, type PyValue } from "../python-value.ts";
import { thinkTags } from "../reasoning/think-tags.ts";
import { TokenFinder } from "../token-finder.ts";
import type { ToolFormat } from "../tool-format.ts";
import { argumentsSchema, parameterSchema } from "../tool-schemas.ts";

/** The blank of the tag may have been lost, or be a tokenizer's mark of one. */
const FUNCTION = /<function[ \t\n\u0120]{0,20}name=["']?([^"'<>]{1,500})["']?[ \t\n]{0,20}>/g;
const PARAMETER = /<param[ \t\n\u0120]{0,20}name=["']?([^"'<>]{1,500})["']?[ \t\n]{0,20}>/y;
const FUNCTION_END = "</function>";
const PARAMETER_END = "</param>";
const CDATA = "<![CDATA[";
const CDATA_END = "]]>";
const WRAPPERS = new Set(["arguments", "parameters", "properties", "input"]);
const ENTITIES: Record<string, string> = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&" };

interface RawParameter {
  key: string;
  text: string;
  start: number;
  end: number;
}

export const minicpm5: ToolFormat = {
  name: "minicpm5",
  reasoning: thinkTags,
  extract(text, options) {
    const finder = new TokenFinder(text);
    const result = new Extraction(text);
    let found = 0;
    let at = 0;
    for (;;) {
      FUNCTION.lastIndex = at;
      const match = FUNCTION.exec(text);
      if (match === null) break;
      found++;
      at = FUNCTION.lastIndex;
      const read = readParameters(finder, at);
      if (read === null) {
        result.problem("truncated", "A function without its end.", match.index, text.length);
        break;
      }
      const name = strip(match[1]!);
      const parameters = checkedParameters(read.parameters, name, options);
      if (typeof parameters === "string") {
        const known = argumentsSchema(options.tools, name) !== null;
        result.problem(known ? "malformed" : "unknown_tool", parameters, match.index, read.end);
      } else {
        result.call({ name, arguments: dumpMap(parameters) }, match.index, read.end);
        result.strayText(at, read.end - FUNCTION_END.length, read.parameters);
        for (const { key, text: value } of read.parameters)
          if (!parameters.has(key) && !WRAPPERS.has(key))
            result.problems.push({
              reason: "stray_text",
              message: `"${key}" is not declared.`,
              raw: `${key}: ${value}`,
            });
      }
      at = read.end;
    }
    if (result.calls.length > 0) return result;
    if (found === 0) return Extraction.raw(text);
    const [problem] = result.problems;
    const raw = Extraction.raw(text, problem?.reason ?? "malformed", problem?.message ?? "No function is a call.");
    raw.trimContent();
    return raw;
  },
};

/** The parameters of a function whose body starts at `from`; null if it has no end. */
function readParameters(finder: TokenFinder, from: number): { parameters: RawParameter[]; end: number } | null {
  const { text } = finder;
  const parameters: RawParameter[] = [];
  let at = from;
  for (;;) {
    const close = finder.next(FUNCTION_END, at);
    if (close === -1) return null;
    const open = finder.next("<param", at);
    if (open === -1 || open > close) return { parameters, end: close + FUNCTION_END.length };
    PARAMETER.lastIndex = open;
    const match = PARAMETER.exec(text);
    if (match === null) {
      at = open + 1;
      continue;
    }
    const valueStart = PARAMETER.lastIndex;
    const literal = text.startsWith(CDATA, valueStart);
    const literalEnd = literal ? finder.next(CDATA_END, valueStart) : -1;
    const end = finder.next(PARAMETER_END, literalEnd === -1 ? valueStart : literalEnd);
    if (end === -1) return null;
    parameters.push({
      key: strip(match[1]!),
      text:
        literalEnd === -1
          ? decodeEntities(text.slice(valueStart, end))
          : text.slice(valueStart + CDATA.length, literalEnd),
      start: open,
      end: end + PARAMETER_END.length,
    });
    at = end + PARAMETER_END.length;
  }
}

/** The arguments as the schema takes them; a text that says why it does not. */
function checkedParameters(read: readonly RawParameter[], tool: string, options: ParseOptions): PyMap | string {
  const schema = argumentsSchema(options.tools, tool);
  if (schema === null && !options.tools?.some((offered) => offered.function?.name === tool))
    return `The tool "${tool}" was not offered.`;
  const values: PyMap = new Map();
  const seen = new Set<string>();
  for (const { key, text } of read) {
    if (seen.has(key)) return `The parameter "${key}" is given twice.`;
    seen.add(key);
    const declared = parameterSchema(options.tools, tool, key);
    if (declared !== null) values.set(key, coerceText(text, declared));
    else for (const [inner, value] of unwrapped(key, text, read.length, tool, options)) values.set(inner, value);
  }
  const required = Array.isArray(schema?.required) ? schema.required : [];
  const missing = required.find((name) => typeof name === "string" && !values.has(name));
  if (missing !== undefined) return `The required parameter "${missing}" is missing.`;
  return read.length > 0 && values.size === 0 ? "None of the parameters is declared." : values;
}

/** Some models put all arguments as JSON into one parameter. */
function unwrapped(key: string, text: string, count: number, tool: string, options: ParseOptions): [string, PyValue][] {
  if (count !== 1 || !WRAPPERS.has(key)) return [];
  const read = readJson(text);
  if (!read.ok || !isMap(read.value)) return [];
  return [...read.value].filter(([inner]) => parameterSchema(options.tools, tool, inner) !== null);
}

function decodeEntities(text: string): string {
  return text.replace(/&(?:(lt|gt|quot|apos|amp)|#(\d{1,7})|#x([0-9a-fA-F]{1,6}));/g, (whole, name, decimal, hex) => {
    if (name !== undefined) return ENTITIES[name] ?? whole;
    const code = decimal !== undefined ? Number(decimal) : Number.parseInt(hex, 16);
    return code <= 0x10ffff ? String.fromCodePoint(code) : whole;
  });
}
