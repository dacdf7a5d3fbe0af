/** What a non-zero exit code means for programs that use one to say "nothing found" rather than "failed". */

const MEANINGS: Record<string, Record<number, string>> = {
  grep: { 1: "No matches found (not an error)" },
  diff: { 1: "Files differ (expected, not an error)" },
  find: { 1: "Some directories were inaccessible (partial results may still be valid)" },
  test: { 1: "Condition evaluated to false (expected, not an error)" },
  curl: {
    6: "Could not resolve host",
    7: "Failed to connect to host",
    22: "HTTP response code indicated an error",
    28: "Operation timed out",
  },
  git: { 1: "Non-zero exit (often normal, for example when git diff finds changes)" },
};

const SAME_AS: Record<string, string> = {
  egrep: "grep",
  fgrep: "grep",
  rg: "grep",
  ag: "grep",
  ack: "grep",
  colordiff: "diff",
  "[": "test",
};

/** A word on the exit code of the last command of the line, or null. */
export function exitCodeMeaning(command: string, exitCode: number): string | null {
  if (exitCode === 0) return null;
  const last = command.split(/\|\||&&|[|;\n]/).findLast((part) => part.trim() !== "");
  const words = (last ?? "").trim().split(/\s+/);
  const program = words.find((word) => !/^\w+=/.test(word))?.replace(/^.*\//, "") ?? "";
  return MEANINGS[SAME_AS[program] ?? program]?.[exitCode] ?? null;
}
