/** The reasoning of an answer, under any of the names that providers give it. */
import { isObject } from "../core/index.ts";

/**
 * First non-empty of `reasoning_content`, `reasoning`, and the texts and summaries of `reasoning_details`; null where
 * there is none. Encrypted details have no text.
 */
export function reasoningOf(message: Record<string, unknown>): string | null {
  for (const field of [message.reasoning_content, message.reasoning, message.thinking]) {
    if (typeof field === "string" && field !== "") return field;
  }
  if (!Array.isArray(message.reasoning_details)) return null;
  const text = message.reasoning_details.map(textOfDetail).join("");
  return text === "" ? null : text;
}

function textOfDetail(detail: unknown): string {
  if (!isObject(detail)) return "";
  const text = [detail.text, detail.summary, detail.content].find((value) => typeof value === "string" && value !== "");
  return typeof text === "string" ? text : "";
}
