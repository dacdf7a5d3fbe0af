/**
 * Solar Open 2: `<|tool_call:start|>NAME` with marked keys and values. A call ends at its end token or where the next
 * begins; one that the text cuts off is not made. The first of repeated keys counts.
 */
import { coerceParameter } from "../coerce-by-schema.ts";
import type { ParseOptions } from "../contract.ts";
import { Extraction } from "../extraction.ts";
import { dumpMap } from "../json-dump.ts";
import { strip } from "../python-strings.ts";
import type { PyMap } from "../python-value.ts";
import { firstBlock } from "../reasoning/first-block.ts";
import { TokenFinder } from "../token-finder.ts";
import type { ToolFormat } from "../tool-format.ts";

const START = "<|tool_call:start|>";
const END = "<|tool_call:end|>";
const KEY = "<|tool_arg:start|>";
const VALUE = "<|tool_arg:value|>";
const VALUE_END = "<|tool_arg:end|>";

export const solarOpen2: ToolFormat = {
  name: "solar_open2",
  reasoning: firstBlock("<|think:start|>", "<|think:end|>"),
  extract(text, options) {
    const finder = new TokenFinder(text);
    const first = finder.next(START, 0);
    if (first === -1) return Extraction.raw(text);
    const result = new Extraction(text);
    result.keep(0, first);
    result.dropBlankContent();
    for (let at = first; at !== -1; ) {
      const stop = finder.first([END, START], at + START.length);
      const bodyEnd = stop?.at ?? text.length;
      const end = stop?.token === END ? bodyEnd + END.length : bodyEnd;
      if (stop === null) result.problem("truncated", "A call without its end.", at, end);
      else readCall(result, finder, options, at, bodyEnd, end);
      at = finder.next(START, end);
    }
    if (result.calls.length > 0) return result;
    const [problem] = result.problems;
    return Extraction.raw(text, problem?.reason ?? "malformed", problem?.message ?? "No call.");
  },
};

function readCall(
  result: Extraction,
  finder: TokenFinder,
  options: ParseOptions,
  start: number,
  bodyEnd: number,
  end: number,
): void {
  const { text } = finder;
  const nameEnd = Math.min(finder.nextOrEnd(KEY, start), bodyEnd);
  const name = strip(text.slice(start + START.length, nameEnd));
  if (name === "") {
    result.problem("no_name", "A call without a name.", start, end);
    return;
  }
  const parameters: PyMap = new Map();
  const parts: { key: string; start: number; end: number }[] = [];
  for (let at = nameEnd; at < bodyEnd; ) {
    const keyStart = at + KEY.length;
    const following = Math.min(finder.nextOrEnd(KEY, keyStart), bodyEnd);
    const valueAt = finder.next(VALUE, keyStart);
    if (valueAt !== -1 && valueAt < following) {
      const valueStart = valueAt + VALUE.length;
      const marked = finder.next(VALUE_END, valueStart);
      const valueEnd = marked === -1 || marked > following ? following : marked;
      const key = strip(text.slice(keyStart, valueAt));
      if (!parameters.has(key))
        parameters.set(key, coerceParameter(text.slice(valueStart, valueEnd), options.tools, name, key));
      parts.push({ key, start: at, end: valueEnd === marked ? marked + VALUE_END.length : valueEnd });
    }
    at = following;
  }
  result.call({ name, arguments: dumpMap(parameters) }, start, end);
  result.strayText(nameEnd, bodyEnd, parts);
  result.replacedParts(parts, "first");
}
