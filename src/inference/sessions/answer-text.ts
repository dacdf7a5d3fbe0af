/**
 * From sampled ids to the message that an agent sees. Parsing changes the message only; the graph keeps the ids. What
 * did not become a call stays in the message as text, so that nothing that the model wrote is hidden from anybody.
 */
import { randomUUID } from "node:crypto";
import type { ChatMessage, ToolSchema } from "../../core/index.ts";
import { getParser, type ParseResult } from "../../parsers/index.ts";
import type { FinishReason } from "../contract.ts";

/** A generation prompt that leaves a thinking block open, in the markup of any family. */
const OPEN_THINKING = /(<[^<>\s]*think[^<>\s]*>|\[THINK\])\s*$/i;
/** What ends reasoning that began without a mark. */
const CLOSE_THINKING = /^\s*(<\/[^<>\s]*think[^<>\s]*>|\[\/THINK\])/i;

export interface ParsedAnswer {
  message: ChatMessage;
  finish_reason: FinishReason;
  /** What was meant as a call and is none, in words. Empty for a well-formed answer. */
  problems: string[];
}

interface AnswerOptions {
  /** Text of the sampled ids without the token that ended the turn. */
  text: string;
  /** Text of the prompt before it; its end may have opened a thinking block. */
  prompt: string;
  finishReason: FinishReason;
  tools: readonly ToolSchema[] | null;
  toolCallParser: string;
  templateKwargs: Record<string, unknown>;
}

export function parseAnswer(options: AnswerOptions): ParsedAnswer {
  const { text, finishReason, tools } = options;
  const parsed = parse(options);
  const offered = tools?.length ? parsed.tool_calls : [];
  const calls = offered.map((call) => ({ ...call, id: call.id || `call_${randomUUID()}` }));
  // Without tools nothing is a call: the text stays as the model wrote it, less its reasoning.
  const isRead = tools?.length || parsed.tool_calls.length === 0;
  const content = isRead ? contentOf(parsed) : withoutReasoning(text, parsed.reasoning);
  const message: ChatMessage = {
    role: "assistant",
    content: content === "" && calls.length > 0 ? null : content,
    ...(calls.length > 0 && { tool_calls: calls }),
    ...(parsed.reasoning && { reasoning_content: parsed.reasoning }),
  };
  return {
    message,
    finish_reason: calls.length > 0 && finishReason === "stop" ? "tool_calls" : finishReason,
    problems: tools?.length ? parsed.problems.map((problem) => `${problem.reason}: ${problem.message}`) : [],
  };
}

function parse({ text, prompt, tools, toolCallParser, templateKwargs }: AnswerOptions): ParseResult {
  const parser = getParser(toolCallParser);
  const opened = OPEN_THINKING.exec(prompt)?.[0] ?? "";
  const read = (known: readonly ToolSchema[] | null) => {
    const parsed = parser.parse(opened + text, { tools: known, reasoning: true, templateKwargs });
    if (opened !== "" || !isUnmarked(text, parsed.reasoning)) return parsed;
    // Some families take all text as reasoning until it is closed: right after a prompt that opened it only.
    return { ...parser.parse(text, { tools: known, templateKwargs }), reasoning: null };
  };
  const parsed = read(tools ?? []);
  if (!tools?.length || !parsed.problems.some((problem) => problem.reason === "unknown_tool")) return parsed;
  // Formats that refuse calls to tools that were not offered leave the model without an answer: such calls are made,
  // and whoever runs them tells the model.
  const known = new Set(tools.map((tool) => tool.function.name));
  const names = read(null).tool_calls.map((call) => call.function.name);
  const more = [...new Set(names)].filter((name) => name !== "" && !known.has(name)).map(permissive);
  return more.length === 0 ? parsed : read([...tools, ...more]);
}

function permissive(name: string): ToolSchema {
  return { type: "function", function: { name, description: "", parameters: { type: "object" } } };
}

/** Whether the text begins with the reasoning and nothing marks it as such. */
function isUnmarked(text: string, reasoning: string | null | undefined): boolean {
  if (!reasoning) return false;
  const trimmed = text.trimStart();
  const start = reasoning.trimStart();
  return trimmed.startsWith(start) && !CLOSE_THINKING.test(trimmed.slice(start.length));
}

/** The visible text; of an answer without calls also what a problem says did not become one. */
function contentOf({ content, rest, problems, tool_calls: calls }: ParseResult): string {
  const parts = [content, rest].filter((part) => part !== null && part !== "") as string[];
  if (calls.length === 0) {
    for (const { raw } of problems) if (!parts.some((part) => part.includes(raw.trim()))) parts.push(raw);
  }
  return parts.join("\n");
}

function withoutReasoning(text: string, reasoning: string | null | undefined): string {
  if (!reasoning) return text;
  const end = text.indexOf(reasoning) + reasoning.length;
  return text.slice(end).replace(CLOSE_THINKING, "").trimStart();
}
