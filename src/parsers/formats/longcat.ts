/** LongCat: the Hermes grammar with tags of its own; newer models write the GLM grammar between the same tags. */
import { thinkTags } from "../reasoning/think-tags.ts";
import type { ToolFormat } from "../tool-format.ts";
import { extractGlm, type GlmTags } from "./glm.ts";
import { jsonInTags } from "./hermes.ts";

const OPEN = "<longcat_tool_call>";
const CLOSE = "</longcat_tool_call>";
const json = jsonInTags("longcat", OPEN, CLOSE, thinkTags);

const KEYS: GlmTags = {
  open: OPEN,
  close: CLOSE,
  key: "<longcat_arg_key>",
  keyEnd: "</longcat_arg_key>",
  value: "<longcat_arg_value>",
  valueEnd: "</longcat_arg_value>",
  think: { open: "<longcat_think>", close: "</longcat_think>" },
  refusesUnknownTools: false,
};

export const longcat: ToolFormat = {
  ...json,
  extract: (text, options) =>
    text.includes(KEYS.key) && json.extract(text, options).calls.length === 0
      ? extractGlm(text, options, KEYS)
      : json.extract(text, options),
};
