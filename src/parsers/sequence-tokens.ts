/**
 * Text that still holds its special tokens: if it begins with `<bos>`, then `<bos>` and `<eos>` in it are tokens of the
 * tokenizer and not words of the model, as the reference engine drops them. Other text is never touched.
 */

export function withoutSequenceTokens(text: string): string {
  return text.startsWith("<bos>") ? text.replaceAll("<bos>", "").replaceAll("<eos>", "") : text;
}
