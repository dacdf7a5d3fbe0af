/**
 * Hunyuan 3 (`NAME<tool_sep>` and pairs) and Hunyuan 4 (`NAME` and pairs), inside `<tool_calls>`. All tags of a
 * checkpoint may carry one suffix before `>`, which the text itself shows. Version 4 is strict: anything that is not
 * exactly of the format leaves the text as content, unless `variant` is `lenient`.
 */
import { coerceHunyuan } from "../coerce-hunyuan.ts";
import type { ParseOptions } from "../contract.ts";
import { Extraction } from "../extraction.ts";
import { dumpMap } from "../json-dump.ts";
import { isBlank, strip } from "../python-strings.ts";
import type { PyValue } from "../python-value.ts";
import { hyV3Reasoning } from "../reasoning/hunyuan-v3.ts";
import { TokenFinder } from "../token-finder.ts";
import type { ToolFormat } from "../tool-format.ts";
import { parameterSchema } from "../tool-schemas.ts";
import { type GlmTags, type KeyValuePair, readPairs } from "./glm.ts";

const WRAPPER = /<tool_calls(:[^<>\s]{1,100})?>/;

interface HunyuanTags extends GlmTags {
  wrapper: string;
  wrapperEnd: string;
  separator: string;
}

function tagsWith(suffix: string): HunyuanTags {
  const tag = (name: string) => `<${name}${suffix}>`;
  return {
    wrapper: tag("tool_calls"),
    wrapperEnd: tag("/tool_calls"),
    separator: tag("tool_sep"),
    open: tag("tool_call"),
    close: tag("/tool_call"),
    key: tag("arg_key"),
    keyEnd: tag("/arg_key"),
    value: tag("arg_value"),
    valueEnd: tag("/arg_value"),
    think: null,
    refusesUnknownTools: false,
  };
}

interface HunyuanCall {
  name: string;
  pairs: KeyValuePair[];
  start: number;
  end: number;
  /** Where the arguments begin and end. */
  bodyStart: number;
  bodyEnd: number;
  closed: boolean;
}

/** The calls between two positions; a name ends at one of the given tags. */
function readCalls(
  finder: TokenFinder,
  from: number,
  to: number,
  nameEnds: string[],
  tags: HunyuanTags,
): HunyuanCall[] {
  const { text } = finder;
  const calls: HunyuanCall[] = [];
  let open = finder.next(tags.open, from);
  while (open !== -1 && open < to) {
    const nameStart = open + tags.open.length;
    const close = finder.next(tags.close, nameStart);
    const closed = close !== -1 && close < to;
    const bodyEnd = closed ? close : to;
    const nameEnd = finder.first([...nameEnds, tags.close], nameStart);
    const nameStop = nameEnd === null || nameEnd.at > bodyEnd ? bodyEnd : nameEnd.at;
    const named = closed || nameStop < bodyEnd;
    const end = closed ? close + tags.close.length : bodyEnd;
    calls.push({
      name: named ? strip(text.slice(nameStart, nameStop)) : "",
      pairs: readPairs(finder, nameStop, bodyEnd, tags),
      start: open,
      end,
      bodyStart: nameStop,
      bodyEnd,
      closed,
    });
    open = finder.next(tags.open, end);
  }
  return calls;
}

function addCalls(result: Extraction, calls: readonly HunyuanCall[], options: ParseOptions, tags: HunyuanTags): void {
  for (const { name, pairs, start, end, bodyStart, bodyEnd, closed } of calls) {
    if (name === "") {
      result.problem(closed ? "no_name" : "truncated", "A call without a name.", start, end);
      continue;
    }
    const entries = pairs.map(({ key, value }): [string, PyValue] => [
      strip(key),
      coerceHunyuan(value, parameterSchema(options.tools, name, strip(key))),
    ]);
    result.call({ name, arguments: dumpMap(entries) }, start, end);
    const separator = result.text.startsWith(tags.separator, bodyStart) ? tags.separator.length : 0;
    result.strayText(bodyStart + separator, bodyEnd, pairs);
    result.replacedParts(pairs, "last");
  }
}

export const hyV3: ToolFormat = {
  name: "hy_v3",
  aliases: ["hunyuan", "hunyuan_v3"],
  reasoning: hyV3Reasoning,
  extract(text, options) {
    const wrapper = WRAPPER.exec(text);
    if (wrapper === null) return Extraction.raw(text);
    const tags = tagsWith(wrapper[1] ?? "");
    const finder = new TokenFinder(text);
    const result = new Extraction(text);
    result.keep(0, wrapper.index);
    // Text between two sections of calls is none of them.
    let closed = false;
    for (let open = wrapper.index; open !== -1; ) {
      const bodyStart = open + tags.wrapper.length;
      const wrapperEnd = finder.next(tags.wrapperEnd, bodyStart);
      closed = wrapperEnd !== -1;
      const bodyEnd = closed ? wrapperEnd : text.length;
      result.cover(open, bodyStart);
      if (closed) result.cover(wrapperEnd, wrapperEnd + tags.wrapperEnd.length);
      addCalls(result, readCalls(finder, bodyStart, bodyEnd, [tags.separator], tags), options, tags);
      open = finder.next(tags.wrapper, bodyEnd);
    }
    if (result.calls.length === 0)
      return Extraction.raw(text, closed ? "malformed" : "truncated", `No call in ${tags.wrapper}.`);
    return result;
  },
};

export const hyV4: ToolFormat = {
  name: "hy_v4",
  aliases: ["hunyuan_v4"],
  reasoning: hyV3Reasoning,
  extract(text, options) {
    const wrapper = WRAPPER.exec(text);
    if (wrapper === null) return Extraction.raw(text);
    const tags = tagsWith(wrapper[1] ?? "");
    const finder = new TokenFinder(text);
    const bodyStart = wrapper.index + tags.wrapper.length;
    const wrapperEnd = finder.next(tags.wrapperEnd, bodyStart);
    const bodyEnd = wrapperEnd === -1 ? text.length : wrapperEnd;
    const calls = readCalls(finder, bodyStart, bodyEnd, [tags.key], tags);
    const fault = options.variant === "lenient" ? null : strictFault(text, calls, bodyStart, wrapperEnd, tags);
    if (fault !== null) return Extraction.raw(text, wrapperEnd === -1 ? "truncated" : "malformed", fault);
    const result = new Extraction(text);
    result.keep(0, wrapper.index);
    result.cover(wrapper.index, bodyStart);
    if (wrapperEnd !== -1) result.cover(wrapperEnd, wrapperEnd + tags.wrapperEnd.length);
    addCalls(result, calls, options, tags);
    return result.calls.length > 0 ? result : Extraction.raw(text, "malformed", `No call in ${tags.wrapper}.`);
  },
};

/** What a strict reader refuses; null if the text is exactly of the format. */
function strictFault(
  text: string,
  calls: readonly HunyuanCall[],
  bodyStart: number,
  wrapperEnd: number,
  tags: HunyuanTags,
): string | null {
  if (wrapperEnd === -1) return `${tags.wrapper} without ${tags.wrapperEnd}.`;
  if (text.slice(0, bodyStart).includes(tags.wrapperEnd)) return `${tags.wrapperEnd} before ${tags.wrapper}.`;
  let at = bodyStart;
  for (const call of calls) {
    if (!isBlank(text.slice(at, call.start))) return "Text between calls.";
    if (!call.closed) return `${tags.open} without ${tags.close}.`;
    if (call.name === "" || call.name.includes("<")) return "A call without a name.";
    let pairAt = call.bodyStart;
    for (const pair of call.pairs) {
      if (!isBlank(text.slice(pairAt, pair.start))) return "Text between arguments.";
      pairAt = pair.end;
    }
    if (!isBlank(text.slice(pairAt, call.bodyEnd))) return "An argument that is not complete.";
    at = call.end;
  }
  return isBlank(text.slice(at, wrapperEnd)) ? null : "Text between calls.";
}
