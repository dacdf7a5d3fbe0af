/**
 * Ernie 4.5: Hermes' blocks, but a block ends only at a closing tag behind a `}`, so a tag inside a string is harmless.
 * Blocks that are not objects are passed over; if no block is left, the text stays content.
 */
import { Extraction } from "../extraction.ts";
import { readJson } from "../json-reader.ts";
import { namedCall } from "../named-call.ts";
import { isBlank, skipSpace, skipSpaceBack } from "../python-strings.ts";
import { ernie45Reasoning } from "../reasoning/ernie45.ts";
import { tagBlocks } from "../tag-blocks.ts";
import { TokenFinder } from "../token-finder.ts";
import type { ToolFormat } from "../tool-format.ts";

const OPEN = "<tool_call>";
const CLOSE = "</tool_call>";

export const ernie45: ToolFormat = {
  name: "ernie45",
  reasoning: ernie45Reasoning,
  extract(text) {
    const finder = new TokenFinder(text);
    const first = finder.next(OPEN, 0);
    if (first === -1) return Extraction.raw(text);
    const result = new Extraction(text);
    let contentEnd = first;
    while (text[contentEnd - 1] === "\n") contentEnd--;
    result.keep(0, contentEnd);
    const closes = closesBehindBraces(finder);
    let at = first;
    while (at !== -1) {
      const bodyStart = skipSpace(text, at + OPEN.length);
      const close = text[bodyStart] === "{" ? closes(bodyStart + 1) : null;
      if (close === null) {
        at = finder.next(OPEN, at + OPEN.length);
        continue;
      }
      const read = readJson(text.slice(bodyStart, close));
      if (!read.ok)
        return Extraction.raw(text, "malformed", `The block at ${at} is not JSON (position ${bodyStart + read.at}).`);
      const call = namedCall(read.value, {
        argumentKeys: ["arguments"],
        missingArguments: "empty",
        textArguments: "printed",
      });
      if (call === null) return Extraction.raw(text, "no_name", `The block at ${at} has no "name".`);
      const end = close + CLOSE.length;
      result.call(call, at, end);
      at = finder.next(OPEN, end);
    }
    if (result.calls.length > 0) return result;
    if (
      tagBlocks(text, OPEN, CLOSE).every((block) => block.closed && isBlank(text.slice(block.bodyStart, block.bodyEnd)))
    ) {
      result.problem("no_name", "A block without a call.", first, text.length);
      return result;
    }
    return Extraction.raw(text, "truncated", `${OPEN} without a complete object.`);
  },
};

/** Finds closing tags that stand behind a brace; positions asked for must grow. */
function closesBehindBraces(finder: TokenFinder): (from: number) => number | null {
  let known = -1;
  return (from) => {
    if (known >= from) return known === Number.MAX_SAFE_INTEGER ? null : known;
    let at = finder.next(CLOSE, Math.max(from, known + 1));
    while (at !== -1 && finder.text[skipSpaceBack(finder.text, 0, at) - 1] !== "}") at = finder.next(CLOSE, at + 1);
    known = at === -1 ? Number.MAX_SAFE_INTEGER : at;
    return at === -1 ? null : at;
  };
}
