/**
 * Chat messages as templates expect them: the arguments of a call are values, not JSON text. Templates print them with
 * `tojson` or go through their items; text would be quoted twice, or raise. Servers with a chat interface do the same.
 */
import type { ChatMessage } from "../core/index.ts";
import { parseJsonKeepingKinds } from "./template/parse-json.ts";

/** What stands in for arguments that are no JSON: their text, or none where the template cannot take text. */
export type BrokenArguments = "text" | "empty";

export function withParsedArguments(messages: readonly ChatMessage[], broken: BrokenArguments = "text"): unknown[] {
  return messages.map((message) =>
    message.tool_calls?.length
      ? {
          ...message,
          tool_calls: message.tool_calls.map((call) => ({
            ...call,
            function: { ...call.function, arguments: parsed(call.function.arguments, broken) },
          })),
        }
      : message,
  );
}

/** True where a call's arguments are no JSON. */
export function hasBrokenArguments(messages: readonly ChatMessage[]): boolean {
  return messages.some((message) => message.tool_calls?.some((call) => read(call.function.arguments) === null));
}

function parsed(text: string, broken: BrokenArguments): unknown {
  const found = read(text);
  return found === null ? (broken === "text" ? text : {}) : found.value;
}

function read(text: unknown): { value: unknown } | null {
  // Callers in plain JavaScript may give the value itself.
  if (typeof text !== "string") return { value: text };
  if (text.trim() === "") return { value: {} };
  try {
    return { value: parseJsonKeepingKinds(text) };
  } catch {
    // What a model wrote need not be JSON: the caller says what to show then.
    return null;
  }
}
