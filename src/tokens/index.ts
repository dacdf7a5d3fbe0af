/** Tokenizers and chat templates, equal to Python's. */
export { type LoadOptions, loadTokenizer } from "./load-tokenizer.ts";
export { PyFloat } from "./template/values.ts";
export {
  type ChatTemplateOptions,
  type DecodeOptions,
  type EncodeOptions,
  type RenderedChat,
  Tokenizer,
} from "./tokenizer.ts";
