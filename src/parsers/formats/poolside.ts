/**
 * Poolside's Laguna: GLM's tags read block by block. A block must be closed and its name must hold no `<`; values that
 * the schema does not call strings are guessed. If no block is a call, the text is content.
 */
import { guessValue } from "../coerce-by-guess.ts";
import { Extraction } from "../extraction.ts";
import { dumpMap } from "../json-dump.ts";
import { strip } from "../python-strings.ts";
import type { PyValue } from "../python-value.ts";
import { glmReasoning } from "../reasoning/engine-families.ts";
import { tagBlocks } from "../tag-blocks.ts";
import { TokenFinder } from "../token-finder.ts";
import type { ToolFormat } from "../tool-format.ts";
import { parameterSchema } from "../tool-schemas.ts";
import { GLM_TAGS, readPairs } from "./glm.ts";

export const poolside: ToolFormat = {
  name: "poolside_v1",
  reasoning: glmReasoning,
  extract(text, options) {
    const blocks = tagBlocks(text, GLM_TAGS.open, GLM_TAGS.close);
    if (blocks.length === 0) return Extraction.raw(text);
    const finder = new TokenFinder(text);
    const result = new Extraction(text);
    result.keep(0, blocks[0]!.start);
    result.dropBlankContent();
    for (const block of blocks) {
      const key = finder.nextOrEnd(GLM_TAGS.key, block.bodyStart);
      const nameEnd = Math.min(key, block.bodyEnd);
      const name = strip(text.slice(block.bodyStart, nameEnd));
      if (!block.closed || name === "" || name.includes("<")) {
        const reason = block.closed ? (name === "" ? "no_name" : "malformed") : "truncated";
        result.problem(reason, "A block that is no complete call.", block.start, block.end);
        continue;
      }
      const pairs = readPairs(finder, nameEnd, block.bodyEnd, GLM_TAGS);
      const entries = pairs.map(({ key: raw, value }): [string, PyValue] => {
        const parameter = strip(raw);
        return [parameter, guessValue(value, parameterSchema(options.tools, name, parameter))];
      });
      result.call({ name, arguments: dumpMap(entries) }, block.start, block.end);
      result.strayText(nameEnd, block.bodyEnd, pairs);
      result.replacedParts(pairs, "last");
    }
    if (result.calls.length > 0) return result;
    const [problem] = result.problems;
    return Extraction.raw(text, problem?.reason ?? "malformed", "No block is a complete call.");
  },
};
