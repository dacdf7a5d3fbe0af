/** Every built-in format, in the order in which the documentation lists them. */
import type { ReasoningParser } from "./contract.ts";
import { apertus } from "./formats/apertus.ts";
import { deepseekV3, deepseekV31 } from "./formats/deepseek-v3.ts";
import { deepseekV4, deepseekV32, deepseekV41 } from "./formats/dsml.ts";
import { ernie45 } from "./formats/ernie45.ts";
import { functionGemma } from "./formats/functiongemma.ts";
import { gemma4 } from "./formats/gemma4.ts";
import { gigachat3 } from "./formats/gigachat3.ts";
import { glm45, glm47, ling3 } from "./formats/glm.ts";
import { granite, granite20b } from "./formats/granite.ts";
import { granite4 } from "./formats/granite4.ts";
import { hermes } from "./formats/hermes.ts";
import { hunyuanA13b } from "./formats/hunyuan-a13b.ts";
import { hyV3, hyV4 } from "./formats/hunyuan-v3.ts";
import { internlm } from "./formats/internlm.ts";
import { jamba } from "./formats/jamba.ts";
import { kimiK2 } from "./formats/kimi-k2.ts";
import { kimiK3 } from "./formats/kimi-k3.ts";
import { lfm2 } from "./formats/lfm2.ts";
import { llamaJson } from "./formats/llama-json.ts";
import { longcat } from "./formats/longcat.ts";
import { minimaxM1 } from "./formats/minimax-m1.ts";
import { minimaxM2 } from "./formats/minimax-m2.ts";
import { mistral } from "./formats/mistral.ts";
import { nemotronJson } from "./formats/nemotron-json.ts";
import { phi4Mini } from "./formats/phi4-mini.ts";
import { poolside } from "./formats/poolside.ts";
import { llama4Pythonic, olmo3, pythonic } from "./formats/pythonic.ts";
import { nemotronV3, qwen3Coder, qwen3Xml, seedOss, step3p5 } from "./formats/qwen-xml.ts";
import { step3 } from "./formats/step3.ts";
import { xlam } from "./formats/xlam.ts";
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
  deepseekV32,
  deepseekV4,
  deepseekV41,
  minimaxM2,
  gemma4,
  qwen3Coder,
  step3p5,
  step3,
  poolside,
  hyV3,
  hyV4,
  kimiK3,
  llama4Pythonic,
  olmo3,
  pythonic,
  lfm2,
  granite,
  granite20b,
  granite4,
  ernie45,
  internlm,
  jamba,
  phi4Mini,
  nemotronJson,
  hunyuanA13b,
  minimaxM1,
  xlam,
  gigachat3,
  functionGemma,
  apertus,
  qwen3Xml,
  nemotronV3,
  seedOss,
  glm45,
  glm47,
  ling3,
  kimiK2,
];

/** Reasoning parsers that have a name of their own; every format's name gives its family's too. */
export const REASONING: Readonly<Record<string, ReasoningParser>> = {
  think: thinkTags,
  qwen3: qwen3Reasoning,
  deepseek_r1: thinkFirstBlock,
};
