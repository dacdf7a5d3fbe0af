/**
 * Structured logs (pino) on standard error, one JSON object a line, or plain text on a terminal. Values registered with
 * `redact` (keys, tokens) are replaced before anything is written, here and wherever `redacted` is called.
 */
import pino from "pino";

export type Logger = pino.Logger;

const secrets = new Set<string>();

/** Registers a secret; values under 6 characters are too short to be told apart from ordinary text and are ignored. */
export function redact(secret: string): void {
  if (secret.length >= 6) secrets.add(secret);
}

/** The text with every registered secret replaced. */
export function redacted(text: string): string {
  let result = text;
  for (const secret of secrets) result = result.replaceAll(secret, "[redacted]");
  return result;
}

const level = process.env.LACHESIS_LOG_LEVEL ?? "warn";

export const logger: Logger = pino(
  { level, base: undefined, timestamp: pino.stdTimeFunctions.isoTime },
  { write: (line: string) => void process.stderr.write(redacted(line)) },
);
