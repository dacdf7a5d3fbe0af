/**
 * Whether a message that a caller sends back is the one that the graph knows. Clients drop what they do not know
 * (reasoning), print arguments anew and trim white space; none of that is an edit.
 */
import { isDeepStrictEqual } from "node:util";
import { type ChatMessage, type ToolCall, textOf } from "../../core/index.ts";

export function sameMessage(sent: ChatMessage, known: ChatMessage): boolean {
  if (sent === known) return true;
  if (sent.role !== known.role) return false;
  if (known.role !== "assistant") {
    return sent.tool_call_id === known.tool_call_id && isDeepStrictEqual(sent.content, known.content);
  }
  return (
    textOf(sent.content).trim() === textOf(known.content).trim() &&
    sameCalls(sent.tool_calls ?? [], known.tool_calls ?? []) &&
    (!sent.reasoning_content || sent.reasoning_content.trim() === known.reasoning_content?.trim())
  );
}

function sameCalls(sent: readonly ToolCall[], known: readonly ToolCall[]): boolean {
  return (
    sent.length === known.length &&
    sent.every((call, index) => {
      const other = known[index]!.function;
      return call.function.name === other.name && sameArguments(call.function.arguments, other.arguments);
    })
  );
}

function sameArguments(sent: string, known: string): boolean {
  if (sent === known) return true;
  try {
    return isDeepStrictEqual(JSON.parse(sent), JSON.parse(known));
  } catch {
    // One of them is no JSON and they are not equal as text: they differ.
    return false;
  }
}
