/**
 * Ids of tool calls as clients see them. Some formats number their calls anew in each answer or use characters that
 * clients refuse, so an id that is odd or was given before is replaced on the wire; what comes back is put back to what
 * the model was shown. Invariant: a wire id stands for one call of the session.
 */
import { randomUUID } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import type { ChatMessage, ToolCall } from "../../core/index.ts";

const USABLE = /^[A-Za-z0-9_-]{1,64}$/;

interface Known {
  call: ToolCall;
  /** The answer that it is part of. */
  answer: object;
}

export class CallIds {
  readonly #known = new Map<string, Known>();

  /** The message as a client is given it. */
  toWire(message: ChatMessage): ChatMessage {
    if (!message.tool_calls?.length) return message;
    const calls = message.tool_calls.map((call) => {
      const id =
        USABLE.test(call.id) && !this.#known.has(call.id) ? call.id : `call_${randomUUID().replaceAll("-", "")}`;
      this.#known.set(id, { call, answer: message });
      return { ...call, id };
    });
    return { ...message, tool_calls: calls };
  }

  /** The id that the model was shown; ids of others stay as they are. */
  toModel(id: string): string {
    return this.#known.get(id)?.call.id ?? id;
  }

  /** The answer that a call was part of; null where it is not of this session. */
  answerOf(id: string): object | null {
    return this.#known.get(id)?.answer ?? null;
  }

  /** The argument text for a parsed input: the model's own where the input is what the client was given. */
  argumentsOf(id: string, input: unknown): string {
    const known = this.#known.get(id);
    return known && isDeepStrictEqual(inputOf(known.call), input)
      ? known.call.function.arguments
      : JSON.stringify(input ?? {});
  }
}

/** Arguments as an object, for dialects that have no text for them. Text that is no JSON object is given whole. */
export function inputOf({ function: { arguments: text } }: ToolCall): Record<string, unknown> {
  if (text.trim() === "") return {};
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch {
    // Not JSON: the client's own check of the arguments is to fail, so it gets what the model wrote.
  }
  return { _invalid_arguments: text };
}
