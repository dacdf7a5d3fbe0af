/**
 * The input items of the Responses dialect as chat messages. Reasoning, text and calls of one answer are items of their
 * own there; they become one message again, also where a client sends the output of each call behind the call.
 */
import { type ChatMessage, isObject, type ToolSchema } from "../../core/index.ts";
import { type Body, refuse } from "../embedded/http/body.ts";
import type { CallIds } from "./call-ids.ts";
import { toolSchema } from "./chat-dialect.ts";
import { contentOf } from "./content.ts";

type Assistant = ChatMessage & { role: "assistant" };

export function responsesMessages(input: unknown, ids: CallIds): ChatMessage[] {
  if (typeof input === "string") return [{ role: "user", content: input }];
  if (!Array.isArray(input)) throw refuse("input", "a string or a list of items");
  const reader = new ItemReader(ids);
  for (const [at, item] of input.entries()) reader.add(item, `input.${at}`);
  return reader.messages;
}

class ItemReader {
  readonly messages: ChatMessage[] = [];
  readonly #ids: CallIds;
  /** The answer that is being put together; null behind anything else. */
  #open: Assistant | null = null;
  /** The newest answer with calls, and which answer of the session it is. */
  #calling: { message: Assistant; answer: object | null } | null = null;

  constructor(ids: CallIds) {
    this.#ids = ids;
  }

  add(item: unknown, field: string): void {
    if (!isObject(item)) throw refuse(field, "an object");
    switch (item.type ?? "message") {
      case "message":
        this.#message(item, field);
        break;
      case "reasoning":
        this.#reasoning(item);
        break;
      case "function_call":
        this.#call(item, text(item.arguments, `${field}.arguments`), field);
        break;
      case "custom_tool_call":
        this.#call(item, JSON.stringify({ input: text(item.input, `${field}.input`) }), field);
        break;
      case "function_call_output":
      case "custom_tool_call_output":
        this.#open = null;
        this.messages.push({
          role: "tool",
          tool_call_id: text(item.call_id, `${field}.call_id`),
          content: contentOf(item.output, `${field}.output`, "\n"),
        });
        break;
      default:
        throw refuse(`${field}.type`, "message, reasoning, function_call, function_call_output or their custom forms");
    }
  }

  #message(item: Body, field: string): void {
    const content = contentOf(item.content, `${field}.content`, "\n");
    if (item.role === "assistant") {
      const message = this.#assistant();
      const before = typeof message.content === "string" ? message.content : "";
      message.content = typeof content === "string" ? before + content : content;
      return;
    }
    if (item.role !== "user" && item.role !== "system" && item.role !== "developer") {
      throw refuse(`${field}.role`, "user, assistant, system or developer");
    }
    this.#open = null;
    this.messages.push({ role: item.role, content });
  }

  #reasoning(item: Body): void {
    // A summary may be shortened; only the reasoning itself is worth sending, and what is known is restored anyway.
    const parts = Array.isArray(item.content) ? item.content : [];
    const reasoning = parts
      .map((part: unknown) => (isObject(part) && typeof part.text === "string" ? part.text : ""))
      .join("");
    this.#open = null;
    const message = this.#assistant();
    if (reasoning !== "") message.reasoning_content = reasoning;
  }

  #call(item: Body, args: string, field: string): void {
    const id = text(item.call_id, `${field}.call_id`);
    const call = {
      id,
      type: "function" as const,
      function: { name: text(item.name, `${field}.name`), arguments: args },
    };
    const answer = this.#ids.answerOf(id);
    const message = answer !== null && this.#calling?.answer === answer ? this.#calling.message : this.#assistant();
    message.tool_calls = [...(message.tool_calls ?? []), call];
    if (message.content === "") message.content = null;
    this.#calling = { message, answer };
  }

  #assistant(): Assistant {
    if (this.#open === null) {
      this.#open = { role: "assistant", content: "" };
      this.messages.push(this.#open);
    }
    return this.#open;
  }
}

/** The tools that the client runs itself. Tools that a provider would run do not exist here and are left out. */
export function responsesTools(raw: unknown): { tools: ToolSchema[]; custom: ReadonlySet<string> } {
  const tools: ToolSchema[] = [];
  const custom = new Set<string>();
  if (raw !== undefined && raw !== null && !Array.isArray(raw)) throw refuse("tools", "a list of tools");
  for (const [at, tool] of ((raw ?? []) as unknown[]).entries()) {
    if (!isObject(tool)) throw refuse(`tools.${at}`, "an object");
    if (tool.type === "function") tools.push(toolSchema(tool, `tools.${at}`));
    if (tool.type !== "custom") continue;
    const { name, description } = tool;
    tools.push(toolSchema({ name, description, parameters: FREE_TEXT }, `tools.${at}`));
    custom.add(String(name));
  }
  return { tools, custom };
}

/** How a tool that takes free text is offered to a model that knows only JSON arguments. */
const FREE_TEXT = { type: "object", properties: { input: { type: "string" } }, required: ["input"] };

function text(value: unknown, field: string): string {
  if (typeof value !== "string") throw refuse(field, "a string");
  return value;
}
