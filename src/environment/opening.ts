/**
 * The messages that a rollout begins with: what `formatPrompt` gave, behind the system prompt. A prompt that is none ends this
 * rollout with an error that says what it is; nothing half-formed ever goes to a model.
 */
import { type ChatMessage, type ContentPart, isObject, LachesisError } from "../core/index.ts";

/** What `formatPrompt` may return: text, parts of a user message, or whole messages. */
export type Prompt = string | ContentPart[] | ChatMessage[];

const ROLES: ReadonlySet<unknown> = new Set(["system", "developer", "user", "assistant", "tool"]);

/** Throws `data_invalid` where `prompt` is no prompt. @param system null for none. */
export function openingOf(prompt: unknown, system: string | null): ChatMessage[] {
  const messages = messagesOf(prompt);
  const hasSystem = messages[0]?.role === "system" || messages[0]?.role === "developer";
  return system === null || system === "" || hasSystem ? messages : [{ role: "system", content: system }, ...messages];
}

function messagesOf(prompt: unknown): ChatMessage[] {
  if (typeof prompt === "string") return [{ role: "user", content: prompt }];
  if (!Array.isArray(prompt)) throw wrong(`returned ${kindOf(prompt)}`);
  if (prompt.length === 0) throw wrong("returned an empty list");
  const place = prompt.findIndex((entry) => !isObject(entry));
  if (place >= 0) throw wrong(`returned a list whose entry ${place} is ${kindOf(prompt[place])}`);
  if (prompt.every((entry) => "role" in entry)) {
    const odd = prompt.findIndex(
      ({ role, content }) => !ROLES.has(role) || (content === undefined && role !== "assistant"),
    );
    if (odd >= 0) throw wrong(`returned messages, of which number ${odd} has no known role or no content`);
    return prompt as ChatMessage[];
  }
  if (prompt.every((entry) => typeof entry.type === "string"))
    return [{ role: "user", content: prompt as ContentPart[] }];
  throw wrong("returned a list of neither messages (with role) nor content parts (with type)");
}

const wrong = (what: string) =>
  new LachesisError("data_invalid", `formatPrompt ${what}; a text, messages or content parts are needed.`);

function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  return Array.isArray(value) ? "a list" : `${typeof value === "object" ? "an" : "a"} ${typeof value}`;
}
