/**
 * FunctionGemma: `<start_function_call>call:NAME{key:<escape>value<escape>,…}<end_function_call>`. A value is JSON if
 * it is JSON and text otherwise; what is not escaped is not part of the arguments and becomes a problem.
 */
import { Extraction } from "../extraction.ts";
import { dumpMap } from "../json-dump.ts";
import { readJson } from "../json-reader.ts";
import type { PyValue } from "../python-value.ts";
import { thinkTags } from "../reasoning/think-tags.ts";
import { tagBlocks } from "../tag-blocks.ts";
import { TokenFinder } from "../token-finder.ts";
import type { ToolFormat } from "../tool-format.ts";

const OPEN = "<start_function_call>";
const CLOSE = "<end_function_call>";
const ESCAPE = "<escape>";
const HEADER = /call:([\p{L}\p{N}_]+)\{/uy;
const KEY_BEFORE = /([\p{L}\p{N}_]+):$/u;
const MAX_KEY = 200;

export const functionGemma: ToolFormat = {
  name: "functiongemma",
  reasoning: thinkTags,
  extract(text) {
    const blocks = tagBlocks(text, OPEN, CLOSE);
    if (blocks.length === 0) return Extraction.raw(text);
    const finder = new TokenFinder(text);
    const result = new Extraction(text);
    result.keep(0, blocks[0]!.start);
    result.trimContent();
    for (const block of blocks) {
      HEADER.lastIndex = block.bodyStart;
      const header = HEADER.exec(text);
      const bodyEnd = block.closed ? block.bodyEnd - 1 : block.bodyEnd;
      if (header === null || (block.closed && text[bodyEnd] !== "}")) {
        result.problem("malformed", "A block that is not call:NAME{…}.", block.start, block.end);
        continue;
      }
      const bodyStart = block.bodyStart + header[0].length;
      const pairs = readEscapedPairs(finder, bodyStart, bodyEnd);
      const entries = pairs.map(({ key, value }): [string, PyValue] => {
        const read = readJson(value);
        return [key, read.ok ? read.value : value];
      });
      result.call({ name: header[1]!, arguments: dumpMap(entries) }, block.start, block.end);
      result.replacedParts(pairs, "last");
      const lastEnd = pairs.at(-1)?.end ?? bodyStart;
      const unread = text.slice(lastEnd, bodyEnd);
      if (/[^\s,}]/.test(unread))
        result.problem(
          block.closed ? "stray_text" : "truncated",
          `A part of the arguments of ${header[1]} is not escaped or not complete; it is left out.`,
          lastEnd,
          bodyEnd,
        );
    }
    if (result.calls.length === 0)
      return Extraction.raw(text, result.problems[0]?.reason ?? "malformed", "No block is call:NAME{…}.");
    return result;
  },
};

interface EscapedPair {
  key: string;
  value: string;
  start: number;
  end: number;
}

function readEscapedPairs(finder: TokenFinder, start: number, end: number): EscapedPair[] {
  const { text } = finder;
  const pairs: EscapedPair[] = [];
  let at = finder.next(ESCAPE, start);
  while (at !== -1 && at < end) {
    const close = finder.next(ESCAPE, at + ESCAPE.length);
    if (close === -1 || close >= end) break;
    const before = text.slice(Math.max(start, pairs.at(-1)?.end ?? start, at - MAX_KEY), at);
    const key = KEY_BEFORE.exec(before)?.[1];
    const pairEnd = close + ESCAPE.length;
    if (key !== undefined) pairs.push({ key, value: text.slice(at + ESCAPE.length, close), start: at, end: pairEnd });
    at = finder.next(ESCAPE, key === undefined ? close : pairEnd);
  }
  return pairs;
}
