/** `lachesis api`: the trajectory API between environments and trainers. */
import type { Command } from "commander";
import { LachesisError } from "../../core/index.ts";

interface ApiFlags {
  host: string;
  port: string;
  store: string;
  tokens?: string;
  run: string;
  ackPrevious?: boolean;
  maxQueueGroups: string;
  maxQueueBytes?: string;
  maxBodyBytes: string;
  envSilence: string;
}

const GIB = 1024 ** 3;

export function register(program: Command): void {
  program
    .command("api")
    .description("the durable exchange between environments and trainers")
    .option("--host <address>", "address to listen on; beyond 127.0.0.1 tokens are needed", "127.0.0.1")
    .option("--port <number>", "port; 0 takes a free one", "8000")
    .option("--store <address>", "sqlite:FILE, postgres://… or memory:", "sqlite:lachesis-api.db")
    .option("--tokens <file>", "lines of role:token with role env, trainer or admin; default: LACHESIS_API_TOKENS")
    .option("--run <name>", "the run that protocol v1 acts on", "default")
    .option("--ack-previous", "v1: GET /batch acknowledges the client's previous batch instead of the one it gets")
    .option("--max-queue-groups <number>", "groups that may wait; beyond it submits get 503", "200000")
    .option(
      "--max-queue-bytes <number>",
      "bytes that may wait; beyond it submits get 503 (default: 64 GiB; memory: 1 GiB)",
    )
    .option("--max-body-bytes <number>", "of a request's body, expanded", String(GIB / 4))
    .option("--env-silence <seconds>", "without a call for so long an environment counts as disconnected", "300")
    .action(serve);
}

/** Prints `{"listening": url, "store": …}` once requests are answered, and runs until SIGINT or SIGTERM. */
async function serve(flags: ApiFlags): Promise<void> {
  const { startApi } = await import("../../trajectory/index.ts");
  const stopped = new Promise<void>((resolve) => {
    process.once("SIGINT", resolve);
    process.once("SIGTERM", resolve);
  });
  const api = await startApi({
    host: flags.host,
    port: whole("--port", flags.port, 0, 65_535),
    store: flags.store,
    tokensFile: flags.tokens ?? null,
    defaultRun: flags.run,
    ackPrevious: flags.ackPrevious ?? false,
    maxQueueGroups: whole("--max-queue-groups", flags.maxQueueGroups, 1),
    ...(flags.maxQueueBytes !== undefined && {
      maxQueueBytes: whole("--max-queue-bytes", flags.maxQueueBytes, 1),
    }),
    maxBodyBytes: whole("--max-body-bytes", flags.maxBodyBytes, 1),
    envSilence: whole("--env-silence", flags.envSilence, 1),
  });
  process.stdout.write(`${JSON.stringify({ listening: api.url, store: api.store })}\n`);
  await stopped;
  await api.close();
}

function whole(flag: string, text: string, least: number, most = Number.MAX_SAFE_INTEGER): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= least && value <= most) return value;
  throw new LachesisError("config_invalid", `${flag} is "${text}"; a whole number from ${least} to ${most} is needed.`);
}
