/**
 * GLM 4.5 and later: `<tool_call>NAME`, then pairs of `<arg_key>` and `<arg_value>` of raw text. Types come from the
 * schema; calls to tools that were not offered are refused with a problem, as the reference does.
 */
import { coerceParameter } from "../coerce-by-schema.ts";
import type { ParseOptions } from "../contract.ts";
import { keepBeforeCalls, type ThinkTags } from "../engine-content.ts";
import { Extraction } from "../extraction.ts";
import { dumpMap } from "../json-dump.ts";
import { isBlank, skipSpace, strip } from "../python-strings.ts";
import type { PyValue } from "../python-value.ts";
import { glmReasoning, ling3Reasoning } from "../reasoning/engine-families.ts";
import { TokenFinder } from "../token-finder.ts";
import type { ToolFormat } from "../tool-format.ts";
import { isUnknownTool } from "../tool-schemas.ts";

export interface GlmTags {
  open: string;
  close: string;
  key: string;
  keyEnd: string;
  value: string;
  valueEnd: string;
  think: ThinkTags | null;
  refusesUnknownTools: boolean;
}

export const GLM_TAGS: GlmTags = {
  open: "<tool_call>",
  close: "</tool_call>",
  key: "<arg_key>",
  keyEnd: "</arg_key>",
  value: "<arg_value>",
  valueEnd: "</arg_value>",
  think: { open: "<think>", close: "</think>" },
  refusesUnknownTools: true,
};

export interface KeyValuePair {
  key: string;
  value: string;
  start: number;
  end: number;
}

/** The complete pairs between two positions; blanks may stand between a key and its value. */
export function readPairs(finder: TokenFinder, start: number, end: number, tags: GlmTags): KeyValuePair[] {
  const { text } = finder;
  const pairs: KeyValuePair[] = [];
  let at = finder.next(tags.key, start);
  while (at !== -1 && at < end) {
    const keyEnd = finder.next(tags.keyEnd, at);
    if (keyEnd === -1 || keyEnd >= end) break;
    const valueAt = skipSpace(text, keyEnd + tags.keyEnd.length, end);
    const valueStart = valueAt + tags.value.length;
    const valueEnd = text.startsWith(tags.value, valueAt) ? finder.next(tags.valueEnd, valueStart) : -1;
    let next = keyEnd + tags.keyEnd.length;
    if (valueEnd !== -1 && valueEnd < end) {
      next = valueEnd + tags.valueEnd.length;
      const key = text.slice(at + tags.key.length, keyEnd);
      pairs.push({ key, value: text.slice(valueStart, valueEnd), start: at, end: next });
    }
    at = finder.next(tags.key, next);
  }
  return pairs;
}

export function extractGlm(text: string, options: ParseOptions, tags: GlmTags): Extraction {
  const finder = new TokenFinder(text);
  const result = new Extraction(text);
  let at = 0;
  for (;;) {
    const open = finder.next(tags.open, at);
    keepBeforeCalls(result, finder, at, open === -1 ? text.length : open, tags.think);
    if (open === -1) break;
    const nameStart = open + tags.open.length;
    const nameEnd = finder.first([tags.key, tags.close], nameStart);
    if (nameEnd === null) {
      const message = `${tags.open} without a name that ends.`;
      if (result.calls.length === 0) return Extraction.raw(text, "no_name", message);
      result.problem("no_name", message, open, text.length);
      break;
    }
    const close = finder.next(tags.close, nameEnd.at);
    const bodyEnd = close === -1 ? text.length : close;
    at = close === -1 ? text.length : close + tags.close.length;
    const name = strip(text.slice(nameStart, nameEnd.at));
    if (name === "") {
      if (isBlank(text.slice(nameStart, bodyEnd))) result.cover(open, at);
      else result.problem("no_name", "A call without a name.", open, at);
      continue;
    }
    if ((tags.refusesUnknownTools || options.reasoning) && isUnknownTool(options.tools, name)) {
      result.problem("unknown_tool", `The tool "${name}" was not offered.`, open, at);
      continue;
    }
    const pairs = readPairs(finder, nameEnd.at, bodyEnd, tags);
    const entries = pairs.map(({ key, value }): [string, PyValue] => [
      strip(key),
      coerceParameter(value, options.tools, name, strip(key)),
    ]);
    result.call({ name, arguments: dumpMap(entries) }, open, at);
    result.strayText(nameEnd.at, bodyEnd, pairs);
    result.replacedParts(pairs, "last");
  }
  if (result.calls.length > 0) result.trimContent();
  else if (result.problems.length > 0) result.dropBlankContent();
  return result;
}

function format(name: string, aliases: readonly string[]): ToolFormat {
  return {
    name,
    aliases,
    reasoning: glmReasoning,
    extract: (text, options) => extractGlm(text, options, GLM_TAGS),
  };
}

export const glm45 = format("glm45", ["glm"]);
export const glm47 = format("glm47", []);

/** Ling 3 writes the same grammar. */
export const ling3: ToolFormat = { ...format("ling3", []), reasoning: ling3Reasoning };
