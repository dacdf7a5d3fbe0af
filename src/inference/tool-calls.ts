/**
 * One tool call out of whatever a server, a parser or a caller's own model gave. Afterwards its name and arguments are
 * text and its id is one that no other call of the conversation has. What the model wrote is kept as it is, right or
 * wrong: whoever runs the call tells the model.
 */
import { randomBytes } from "node:crypto";
import { isObject, type ToolCall } from "../core/index.ts";

/**
 * @param raw `{id, function: {name, arguments}}`, or flat: `{id, name, arguments}`.
 * @param taken The conversation's ids; the call's own is added.
 */
export function toolCallFrom(raw: Record<string, unknown>, taken: Set<string>): ToolCall {
  const fields = isObject(raw.function) ? raw.function : raw;
  const id = isUsable(raw.id) && !taken.has(raw.id) ? raw.id : newCallId();
  taken.add(id);
  return { id, type: "function", function: { name: nameOf(fields.name), arguments: argumentText(fields.arguments) } };
}

const ID_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

/** An id of nine letters and digits: the one form that every provider takes back, the strictest included. */
export function newCallId(): string {
  return Array.from(randomBytes(9), (byte) => ID_LETTERS[byte % ID_LETTERS.length]).join("");
}

/** Ids go back as they came, in whatever form the provider has, unless no provider would take them. */
function isUsable(id: unknown): id is string {
  return typeof id === "string" && /^[\x21-\x7e]+$/.test(id);
}

function nameOf(name: unknown): string {
  return typeof name === "string" ? name : name === undefined || name === null ? "" : JSON.stringify(name);
}

/** The JSON text of the arguments. A call without any has the empty object, as for a tool without parameters. */
function argumentText(args: unknown): string {
  return typeof args === "string" ? args : (JSON.stringify(args) ?? "{}");
}
