/** Tool calls and reasoning out of raw model text. */
export type {
  ParseOptions,
  ParseProblem,
  ParseResult,
  ProblemReason,
  ReasoningParser,
  ReasoningResult,
  ToolCallParser,
} from "./contract.ts";
export { getParser, getReasoningParser, listParsers, listReasoningParsers, registerParser } from "./registry.ts";
