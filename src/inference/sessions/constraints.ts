/**
 * Demands on an answer's form that a token server cannot be held to: what is sampled there is free. They are refused, as
 * an answer that merely may fit would be taken for one that does.
 */
import { LachesisError } from "../../core/index.ts";
import type { ChatRequest } from "../contract.ts";

/** Throws `bad_request`. */
export function checkConstraints({ tool_choice: choice, response_format: format }: ChatRequest): void {
  if (choice !== undefined && choice !== "auto" && choice !== "none") {
    const what = typeof choice === "object" ? `the tool ${choice.function?.name}` : `tool_choice ${choice}`;
    throw new LachesisError(
      "bad_request",
      `A session on a token server cannot force ${what}: the policy samples freely. Use "auto", or "none".`,
    );
  }
  if (format && format.type !== "text") {
    throw new LachesisError(
      "bad_request",
      `A session on a token server cannot hold an answer to response_format ${format.type}: the policy samples freely.`,
    );
  }
}
