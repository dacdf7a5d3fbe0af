/** The tasks that people know from the Python environment of this name: three for training, one held out. */
import type { TerminalTask } from "./tasks.ts";

export const REFERENCE_TASKS: readonly TerminalTask[] = [
  {
    id: "reference-greeting",
    kind: "text",
    prompt: "Create a file at ~/greeting.txt containing exactly the text: Hello from the terminal",
    verify_path: "~/greeting.txt",
    expected_content: "Hello from the terminal",
  },
  {
    id: "reference-count",
    kind: "range",
    prompt: "Create a file at ~/count.txt containing the numbers 1 through 5, one per line",
    verify_path: "~/count.txt",
    expected_content: "1\n2\n3\n4\n5",
  },
  {
    id: "reference-answer",
    kind: "sum",
    prompt: "Create a file at ~/answer.txt containing the result of 7 * 6",
    verify_path: "~/answer.txt",
    expected_content: "42",
  },
];

export const REFERENCE_EVALUATION: readonly TerminalTask[] = [
  {
    id: "reference-result",
    kind: "sum",
    prompt: "Create a file at ~/result.txt containing the result of 6 * 7",
    verify_path: "~/result.txt",
    expected_content: "42",
  },
];
