/** Tokenizers and chat templates, equal to Python's. */
export * from "./graph/index.ts";
export { type LoadOptions, loadTokenizer } from "./load-tokenizer.ts";
export { type ConversationOptions, renderConversation } from "./render-conversation.ts";
export { parseJsonKeepingKinds } from "./template/parse-json.ts";
export { PyFloat } from "./template/values.ts";
export {
  type ChatTemplateOptions,
  type DecodeOptions,
  type EncodeOptions,
  type RenderedChat,
  Tokenizer,
} from "./tokenizer.ts";
