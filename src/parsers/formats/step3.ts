/**
 * Step 3: calls of type `function` in a section, each with `<steptml:invoke>` and flat parameters whose values hold no
 * tag. A section without an end leaves the text as content; text before and after it is content together.
 */
import type { ParseOptions } from "../contract.ts";
import { Extraction } from "../extraction.ts";
import { dumpMap } from "../json-dump.ts";
import { pythonFloat, pythonInt } from "../python-numbers.ts";
import { strip } from "../python-strings.ts";
import type { PyValue } from "../python-value.ts";
import { step3Reasoning } from "../reasoning/step3.ts";
import { TokenFinder } from "../token-finder.ts";
import type { ToolFormat } from "../tool-format.ts";
import { parameterSchema } from "../tool-schemas.ts";

const token = (name: string): string => `<\uff5c${name}\uff5c>`;
const SECTION = token("tool_calls_begin");
const SECTION_END = token("tool_calls_end");
const CALL = token("tool_call_begin");
const CALL_END = token("tool_call_end");
const SEPARATOR = token("tool_sep");
const INVOKE = '<steptml:invoke name="';
const INVOKE_END = "</steptml:invoke>";
const PARAMETER = /<steptml:parameter name="([^"<>]{1,500})">([^<]*)<\/steptml:parameter>/g;

export const step3: ToolFormat = {
  name: "step3",
  reasoning: step3Reasoning,
  extract(text, options) {
    const finder = new TokenFinder(text);
    const section = finder.next(SECTION, 0);
    if (section === -1) return Extraction.raw(text);
    const sectionEnd = finder.next(SECTION_END, section);
    if (sectionEnd === -1) return Extraction.raw(text, "truncated", "A section of calls without its end.");
    const result = new Extraction(text);
    result.keep(0, section);
    result.cover(section, section + SECTION.length);
    result.cover(sectionEnd, sectionEnd + SECTION_END.length);
    result.keep(sectionEnd + SECTION_END.length, text.length);
    result.trimContent();
    for (let at = finder.next(CALL, section); at !== -1 && at < sectionEnd; ) {
      const close = finder.next(CALL_END, at);
      const bodyEnd = close === -1 || close > sectionEnd ? sectionEnd : close;
      const end = bodyEnd === close ? close + CALL_END.length : bodyEnd;
      readCall(result, options, at, bodyEnd, end);
      at = finder.next(CALL, end);
    }
    return result.calls.length > 0 ? result : Extraction.raw(text, "malformed", "A section without a readable call.");
  },
};

function readCall(result: Extraction, options: ParseOptions, start: number, bodyEnd: number, end: number): void {
  const body = result.text.slice(start + CALL.length, bodyEnd);
  const separator = body.indexOf(SEPARATOR);
  const invoke = separator === -1 ? -1 : body.indexOf(INVOKE, separator);
  const nameEnd = invoke === -1 ? -1 : body.indexOf('">', invoke);
  const invokeEnd = nameEnd === -1 ? -1 : body.indexOf(INVOKE_END, nameEnd);
  if (separator === -1 || strip(body.slice(0, separator)) !== "function" || invokeEnd === -1) {
    result.problem("malformed", "A call that is no complete function call.", start, end);
    return;
  }
  const name = strip(body.slice(invoke + INVOKE.length, nameEnd));
  const parameters = body.slice(nameEnd + 2, invokeEnd);
  const entries = [...parameters.matchAll(PARAMETER)].map((match): [string, PyValue] => [
    match[1]!,
    typedValue(match[2]!, parameterSchema(options.tools, name, match[1]!)?.type),
  ]);
  result.call({ name, arguments: dumpMap(entries) }, start, end);
  if (parameters.replace(PARAMETER, "").trim() !== "")
    result.problem("stray_text", `A part of the arguments of ${name} is no parameter.`, start, end);
}

/** Only plain schema types count; text is trimmed and stays text otherwise. */
function typedValue(text: string, type: unknown): PyValue {
  const trimmed = strip(text);
  switch (type) {
    case "string":
      return trimmed;
    case "integer":
      return pythonInt(trimmed) ?? trimmed;
    case "number":
      return pythonFloat(trimmed) ?? trimmed;
    case "boolean":
      return /^true$/i.test(trimmed) ? true : /^false$/i.test(trimmed) ? false : trimmed;
    case "null":
      return trimmed.toLowerCase() === "null" ? null : trimmed;
    default:
      return trimmed;
  }
}
