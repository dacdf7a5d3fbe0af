/**
 * What a parser of raw model text takes and gives. A parser never throws and never loses text: each non-blank character
 * of the input stands in `content`, `reasoning`, `rest`, a problem's `raw` or a call, or is markup of the format.
 */
import type { ToolCall, ToolSchema } from "../core/index.ts";

/** Why a part of the text did not become a call. */
export type ProblemReason =
  /** The text ended inside a call. */
  | "truncated"
  /** A call's text is not of the format. */
  | "malformed"
  /** A call to a function that was not offered, by a format that refuses such calls. */
  | "unknown_tool"
  /** A call without a name. */
  | "no_name"
  /** Characters inside a call that belong to no parameter. */
  | "stray_text"
  /** A fault of the parser itself. */
  | "parser_failed";

export interface ParseProblem {
  reason: ProblemReason;
  /** What was expected, in words. */
  message: string;
  /** The piece of the input that it is about, verbatim. */
  raw: string;
}

export interface ParseOptions {
  /** The tools that the model was offered; types of parameters come from them where the format carries none. */
  tools?: readonly ToolSchema[] | null | undefined;
  /** Split the family's reasoning off first and give it as `reasoning`. */
  reasoning?: boolean | undefined;
  /** A layout of the format where a family has several: mistral `v11` or `pre-v11`, k2_horizon `xml_typed` … */
  variant?: string | undefined;
  /** What the chat template was rendered with: `enable_thinking`, `thinking`, `thinking_mode` … */
  templateKwargs?: Readonly<Record<string, unknown>> | undefined;
}

export interface ParseResult {
  /** Visible text; null where there is none. Text that a reference drops is in `rest`, not here. */
  content: string | null;
  tool_calls: ToolCall[];
  /** Only with `reasoning: true`; null where the model gave none. */
  reasoning?: string | null;
  /** Text beside the calls that is not part of the content, in order; null where there is none. */
  rest: string | null;
  /** Empty for well-formed text. */
  problems: ParseProblem[];
}

export interface ReasoningResult {
  /** null where the model gave none; some families give "" for an empty block. */
  reasoning: string | null;
  content: string | null;
  /** Text that the family's rule keeps in neither of them (before an opening tag); absent where there is none. */
  rest?: string;
}

/** Reads tool calls out of raw text. */
export interface ToolCallParser {
  parse(text: string, options?: ParseOptions): ParseResult;
}

/** Splits raw text into reasoning and the rest. */
export interface ReasoningParser {
  parse(text: string, options?: Pick<ParseOptions, "templateKwargs">): ReasoningResult;
}
