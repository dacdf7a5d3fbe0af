/**
 * A built-in format of tool calls, and the one way in which every format becomes a parser: the reasoning first, then the
 * calls out of what is left, then ids for calls that have none. A fault inside a format gives the text back as content.
 */
import { randomUUID } from "node:crypto";
import { errorMessage } from "../core/index.ts";
import type { ParseOptions, ParseResult, ReasoningParser, ReasoningResult, ToolCallParser } from "./contract.ts";
import { Extraction } from "./extraction.ts";
import { withoutSequenceTokens } from "./sequence-tokens.ts";

export interface ToolFormat {
  name: string;
  /** Other names of the same format: vLLM's, SGLang's and Hermes'. */
  aliases?: readonly string[];
  /** How the family marks its reasoning. */
  reasoning: ReasoningParser;
  /** Reads the calls out of text without reasoning. Never throws, works in time linear in the text. */
  extract(text: string, options: ParseOptions): Extraction;
  /** For formats in which reasoning and calls cannot be read one after the other. */
  extractWithReasoning?(text: string, options: ParseOptions): { reasoning: string | null; extraction: Extraction };
}

/** Twenty-four random hexadecimal digits; a UUID is far cheaper to get than bytes. */
const newCallId = (): string => `call_${randomUUID().replaceAll("-", "").slice(-24)}`;

/** The parser of a format. */
export function parserOf(format: ToolFormat): ToolCallParser {
  return {
    parse(text, options = {}): ParseResult {
      // A server's content may be null where the type says text.
      const { split, extraction } = read(format, text ?? "", options);
      const rest = [split?.rest, extraction.rest()].filter((piece) => piece != null).join("\n");
      return {
        content: extraction.content || null,
        tool_calls: extraction.calls.map((call) => ({
          id: call.id ?? newCallId(),
          type: "function",
          function: { name: call.name, arguments: call.arguments },
        })),
        ...(split ? { reasoning: split.reasoning } : {}),
        rest: rest || null,
        problems: extraction.problems,
      };
    },
  };
}

interface Read {
  /** Absent where reasoning was not asked for. */
  split?: Pick<ReasoningResult, "reasoning" | "rest">;
  extraction: Extraction;
}

function read(format: ToolFormat, text: string, options: ParseOptions): Read {
  try {
    if (!options.reasoning) return { extraction: format.extract(text, options) };
    const body = withoutSequenceTokens(text);
    if (format.extractWithReasoning !== undefined) {
      const { reasoning, extraction } = format.extractWithReasoning(body, options);
      return { split: { reasoning }, extraction };
    }
    const split = format.reasoning.parse(body, { templateKwargs: options.templateKwargs });
    return { split, extraction: format.extract(split.content ?? "", options) };
  } catch (error) {
    const message = `The parser of ${format.name} failed: ${errorMessage(error)}`;
    return {
      ...(options.reasoning ? { split: { reasoning: null } } : {}),
      extraction: Extraction.raw(text, "parser_failed", message),
    };
  }
}
