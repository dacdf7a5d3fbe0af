/** Every built-in format, in the order in which the documentation lists them. */
import type { ReasoningParser } from "./contract.ts";
import { deepseekV3, deepseekV31 } from "./formats/deepseek-v3.ts";
import { glm45, glm47 } from "./formats/glm.ts";
import { hermes } from "./formats/hermes.ts";
import { kimiK2 } from "./formats/kimi-k2.ts";
import { llamaJson } from "./formats/llama-json.ts";
import { longcat } from "./formats/longcat.ts";
import { mistral } from "./formats/mistral.ts";
import { nemotronV3, qwen3Coder, qwen3Xml, seedOss } from "./formats/qwen-xml.ts";
import { qwen3Reasoning } from "./reasoning/engine-families.ts";
import { thinkFirstBlock } from "./reasoning/first-block.ts";
import { thinkTags } from "./reasoning/think-tags.ts";
import type { ToolFormat } from "./tool-format.ts";

export const FORMATS: readonly ToolFormat[] = [
  hermes,
  longcat,
  mistral,
  llamaJson,
  deepseekV3,
  deepseekV31,
  qwen3Coder,
  qwen3Xml,
  nemotronV3,
  seedOss,
  glm45,
  glm47,
  kimiK2,
];

/** Reasoning parsers that have a name of their own; every format's name gives its family's too. */
export const REASONING: Readonly<Record<string, ReasoningParser>> = {
  think: thinkTags,
  qwen3: qwen3Reasoning,
  deepseek_r1: thinkFirstBlock,
};
