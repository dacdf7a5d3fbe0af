/** The tool-error log: one line per failed call, `[turn N] tool(arguments) -> error`, in the reference's lengths. */
import { cutText } from "./rollout-table.ts";

export interface ToolErrorFacts {
  turn: number;
  tool_name: string;
  arguments: string;
  error: string;
}

/** Lines that one step shows at most; the rest is counted in a last line. */
const MOST_LINES = 200;

export function toolErrorLines(errors: readonly ToolErrorFacts[]): string {
  const lines = errors
    .slice(0, MOST_LINES)
    .map(
      ({ turn, tool_name, arguments: args, error }) =>
        `[turn ${turn}] ${tool_name}(${cutText(oneLine(args), 80)}) -> ${cutText(oneLine(error), 150)}`,
    );
  if (errors.length > MOST_LINES) lines.push(`… and ${errors.length - MOST_LINES} more`);
  return lines.join("\n");
}

function oneLine(text: string): string {
  return text.replace(/\s*\n\s*/g, " ");
}
