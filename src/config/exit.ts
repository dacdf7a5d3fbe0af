/**
 * How a command ends: the exit code of an error and the words on standard error. Configuration errors never show a stack;
 * no line ever shows a secret. A reader that goes away (`| head`) never ends a run.
 */
import { type ErrorCode, LachesisError, redacted, toLachesisError } from "../core/index.ts";

/** 0 done · 1 a fault, or too much that could not be scored · 2 configuration · 130 interrupted. */
export const EXIT = { done: 0, fault: 1, config: 2, interrupted: 130 } as const;

/** What the user has to change before anything can start. */
const NOTHING_STARTED: ReadonlySet<ErrorCode> = new Set([
  "config_invalid",
  "missing_dependency",
  "unsupported",
  "not_found",
  "data_invalid",
  "conflict",
  "sandbox_unavailable",
  "tokenizer_error",
  "template_error",
  "weights_invalid",
]);

/** The exit code for an error that kept a command from doing its work. */
export function exitCodeOf(error: unknown): number {
  const { code } = toLachesisError(error);
  if (code === "cancelled") return EXIT.interrupted;
  return NOTHING_STARTED.has(code) ? EXIT.config : EXIT.fault;
}

/** Prints an error for people. With LACHESIS_DEBUG set, its stack as well. Gives the exit code. */
export function reportError(error: unknown, command: string, print = printToStderr): number {
  const known = toLachesisError(error);
  const exit = exitCodeOf(error);
  const lines = known.message.split("\n");
  print(redacted(`${command}: ${lines.join("\n")}`));
  const isOurs = !(error instanceof LachesisError) || known.code === "internal";
  const stack = error instanceof Error ? error.stack : undefined;
  if (stack !== undefined && (process.env.LACHESIS_DEBUG || (isOurs && exit === EXIT.fault))) print(redacted(stack));
  else if (known.code === "config_invalid") print("Nothing was started.");
  return exit;
}

/** Lets writes to a closed pipe fail in silence: the run goes on, since its results are in files. */
export function survivePipes(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE") throw error;
    });
  }
}

function printToStderr(text: string): void {
  process.stderr.write(`${text}\n`);
}
