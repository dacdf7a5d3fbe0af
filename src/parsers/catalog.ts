/** Every built-in format, in the order in which the documentation lists them. */
import type { ReasoningParser } from "./contract.ts";
import { apertus } from "./formats/apertus.ts";
import { cohere } from "./formats/cohere.ts";
import { deepseekV3, deepseekV31 } from "./formats/deepseek-v3.ts";
import { dots } from "./formats/dots.ts";
import { deepseekV4, deepseekV32, deepseekV41 } from "./formats/dsml.ts";
import { ernie45 } from "./formats/ernie45.ts";
import { functionGemma } from "./formats/functiongemma.ts";
import { gemma4 } from "./formats/gemma4.ts";
import { gigachat3 } from "./formats/gigachat3.ts";
import { gigachat35 } from "./formats/gigachat35.ts";
import { glm45, glm47, ling3 } from "./formats/glm.ts";
import { granite, granite20b } from "./formats/granite.ts";
import { granite4 } from "./formats/granite4.ts";
import { harmony } from "./formats/harmony.ts";
import { hermes } from "./formats/hermes.ts";
import { hunyuanA13b } from "./formats/hunyuan-a13b.ts";
import { hyV3, hyV4 } from "./formats/hunyuan-v3.ts";
import { inkling } from "./formats/inkling.ts";
import { internlm } from "./formats/internlm.ts";
import { jamba } from "./formats/jamba.ts";
import { k2Horizon } from "./formats/k2-horizon.ts";
import { kimiK2 } from "./formats/kimi-k2.ts";
import { kimiK3 } from "./formats/kimi-k3.ts";
import { lfm2 } from "./formats/lfm2.ts";
import { llamaJson } from "./formats/llama-json.ts";
import { longcat } from "./formats/longcat.ts";
import { minicpm5 } from "./formats/minicpm5.ts";
import { minimaxM1 } from "./formats/minimax-m1.ts";
import { minimaxM2 } from "./formats/minimax-m2.ts";
import { minimaxM3 } from "./formats/minimax-m3.ts";
import { mistral } from "./formats/mistral.ts";
import { nemotronJson } from "./formats/nemotron-json.ts";
import { phi4Mini } from "./formats/phi4-mini.ts";
import { poolside } from "./formats/poolside.ts";
import { llama4Pythonic, olmo3, pythonic } from "./formats/pythonic.ts";
import { nemotronV3, qwen3Coder, qwen3Xml, seedOss, step3p5 } from "./formats/qwen-xml.ts";
import { solarOpen2 } from "./formats/solar-open2.ts";
import { step3 } from "./formats/step3.ts";
import { xlam } from "./formats/xlam.ts";
import { deepseekV3Reasoning } from "./reasoning/deepseek-v3.ts";
import { deepseekV4Reasoning } from "./reasoning/deepseek-v4.ts";
import { qwen3Reasoning } from "./reasoning/engine-families.ts";
import { firstBlock, thinkFirstBlock } from "./reasoning/first-block.ts";
import { minimaxAppendThink } from "./reasoning/minimax-append.ts";
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
  harmony,
  inkling,
  solarOpen2,
  cohere,
  k2Horizon,
  dots,
  minicpm5,
  gigachat35,
  minimaxM3,
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
  "qwen3-thinking": qwen3Reasoning,
  deepseek_r1: thinkFirstBlock,
  "deepseek-r1": thinkFirstBlock,
  "deepseek-v3": deepseekV3Reasoning,
  "deepseek-v4": deepseekV4Reasoning,
  holo2: thinkFirstBlock,
  qwq: thinkFirstBlock,
  kimi: firstBlock("\u25c1think\u25b7", "\u25c1/think\u25b7"),
  minimax_m2_append_think: minimaxAppendThink,
  "minimax-append-think": minimaxAppendThink,
  mimo: qwen3Reasoning,
};
