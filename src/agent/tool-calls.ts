/** The tool calls of one answer in the history, and how a turn that repeats itself is known. */
import { isObject, type ToolCall } from "../core/index.ts";
import { toolCallFrom } from "../inference/tool-calls.ts";

/**
 * The calls with ids that are unique in the conversation; `used` holds its ids and is extended. Entries without a name
 * are kept: the handler tells the model.
 */
export function normalizeToolCalls(raw: unknown, used: Set<string>): ToolCall[] {
  return Array.isArray(raw) ? raw.filter(isObject).map((entry) => toolCallFrom(entry, used)) : [];
}

/** One text for the calls of a turn and their results: equal texts mean that the turn was repeated exactly. */
export function turnSignature(calls: readonly ToolCall[], contents: readonly string[]): string {
  return JSON.stringify([calls.map((call) => [call.function.name, call.function.arguments]), contents]);
}
