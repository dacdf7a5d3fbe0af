/**
 * The tool calls of one answer, made safe to send back: every call has an id that is unique in the conversation and
 * arguments that are a string. What the model wrote is kept; only what a strict API would refuse is mended.
 */
import { randomUUID } from "node:crypto";
import { isObject, type ToolCall } from "../core/index.ts";

/** `used` holds the conversation's ids and is extended. Entries without a name are kept: the handler tells the model. */
export function normalizeToolCalls(raw: unknown, used: Set<string>): ToolCall[] {
  if (!Array.isArray(raw)) return [];
  return raw.filter(isObject).map((entry) => {
    const fields = isObject(entry.function) ? entry.function : entry;
    const wanted = typeof entry.id === "string" ? entry.id : "";
    const id = wanted !== "" && !used.has(wanted) ? wanted : `call_${randomUUID().replaceAll("-", "").slice(0, 24)}`;
    used.add(id);
    return {
      id,
      type: "function",
      function: {
        name: typeof fields.name === "string" ? fields.name : "",
        arguments: typeof fields.arguments === "string" ? fields.arguments : JSON.stringify(fields.arguments ?? null),
      },
    };
  });
}

/** One text for the calls of a turn and their results: equal texts mean that the turn was repeated exactly. */
export function turnSignature(calls: readonly ToolCall[], contents: readonly string[]): string {
  return JSON.stringify([calls.map((call) => [call.function.name, call.function.arguments]), contents]);
}
