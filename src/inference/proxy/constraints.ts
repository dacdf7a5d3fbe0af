/**
 * What a client may demand of an answer's form: that a tool is called, that it fits a schema. Each dialect says it in its
 * own way; here it is in that of OpenAI chat. What is not understood is refused, as whoever asks counts on it.
 */
import { isObject } from "../../core/index.ts";
import type { ChatRequest } from "../contract.ts";
import { type Body, refuse } from "../embedded/http/body.ts";

type Constraints = Pick<ChatRequest, "tool_choice" | "response_format">;

export function chatConstraints(body: Body): Constraints {
  return { ...choiceOf(body.tool_choice, "tool_choice"), ...formatOf(body.response_format, "response_format") };
}

/** OpenAI Responses: `tool_choice` names its function at the top, `text.format` holds its schema there. */
export function responsesConstraints({ tool_choice: choice, text }: Body): Constraints {
  const named = isObject(choice) && typeof choice.name === "string" ? { function: { name: choice.name } } : {};
  const format = isObject(text) ? text.format : undefined;
  return {
    ...choiceOf(isObject(choice) ? { type: "function", ...named } : choice, "tool_choice"),
    ...formatOf(withSchemaInside(format), "text.format"),
  };
}

/** Anthropic Messages: `any`, `tool` with a name, and the schema in `output_config.format` or `output_format`. */
export function messagesConstraints(body: Body): Constraints {
  const { tool_choice: choice, output_config: config, output_format } = body;
  const format = withSchemaInside(isObject(config) ? (config.format ?? output_format) : output_format);
  const constraints = formatOf(format, "output_config.format");
  if (choice === undefined || choice === null) return constraints;
  if (!isObject(choice)) throw refuse("tool_choice", "an object");
  if (choice.type === "auto" || choice.type === "none") return { tool_choice: choice.type, ...constraints };
  if (choice.type === "any") return { tool_choice: "required", ...constraints };
  if (choice.type === "tool" && typeof choice.name === "string") {
    return { tool_choice: { type: "function", function: { name: choice.name } }, ...constraints };
  }
  throw refuse("tool_choice.type", "auto, any, none, or tool with a name");
}

function choiceOf(choice: unknown, field: string): Pick<ChatRequest, "tool_choice"> {
  if (choice === undefined || choice === null) return {};
  if (choice === "auto" || choice === "none" || choice === "required") return { tool_choice: choice };
  const named = isObject(choice) && isObject(choice.function) ? choice.function.name : undefined;
  if (typeof named === "string") return { tool_choice: { type: "function", function: { name: named } } };
  throw refuse(field, "auto, none, required, or a function's name");
}

function formatOf(format: unknown, field: string): Pick<ChatRequest, "response_format"> {
  if (format === undefined || format === null) return {};
  if (!isObject(format) || typeof format.type !== "string") throw refuse(field, "an object with a type");
  return { response_format: format as { type: string } };
}

function withSchemaInside(format: unknown): unknown {
  if (!isObject(format) || format.type !== "json_schema") return format;
  const { type, ...schema } = format;
  return { type, json_schema: { name: "answer", ...schema } };
}
