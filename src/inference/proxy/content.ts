/**
 * Content of untrusted messages in one normal form: text wherever all of it is text. Clients switch between strings and
 * lists of parts and move their cache marks about from call to call; none of that may look like an edited history.
 */
import { type ChatMessage, type ContentPart, isObject } from "../../core/index.ts";
import { refuse } from "../embedded/http/body.ts";

/** Types under which the dialects send text. */
const TEXT_TYPES: ReadonlySet<unknown> = new Set(["text", "input_text", "output_text", "refusal"]);

/** A string, or parts in the OpenAI chat form where something is not text. `between` joins several texts. */
export function contentOf(value: unknown, field: string, between: string): string | ContentPart[] {
  if (typeof value === "string") return value;
  if (value === null || value === undefined) return "";
  if (!Array.isArray(value)) throw refuse(field, "a string or a list of parts");
  const parts = value.map((part: unknown, at) => partOf(part, `${field}.${at}`));
  if (parts.every(({ type }) => type === "text")) return parts.map(({ text }) => text).join(between);
  return parts;
}

function partOf(part: unknown, field: string): ContentPart {
  if (typeof part === "string") return { type: "text", text: part };
  if (!isObject(part) || typeof part.type !== "string") throw refuse(field, "a part with a type");
  if (TEXT_TYPES.has(part.type)) {
    const text = part.text ?? part.refusal;
    if (typeof text !== "string") throw refuse(`${field}.text`, "a string");
    return { type: "text", text };
  }
  if (part.type === "input_image" && typeof part.image_url === "string") {
    return { type: "image_url", image_url: { url: part.image_url } };
  }
  if (part.type === "image" && isObject(part.source)) {
    const { type, media_type, data, url } = part.source;
    return { type: "image_url", image_url: { url: type === "url" ? url : `data:${media_type};base64,${data}` } };
  }
  return part as ContentPart;
}

/** The content of an answer that is sent back; one without text is null beside calls. */
export function assistantContent(content: string | ContentPart[], hasCalls: boolean): ChatMessage["content"] {
  return content === "" && hasCalls ? null : content;
}
