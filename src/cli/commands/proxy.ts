/** `lachesis proxy`: the session proxy, so that any agent program can be driven by a policy whose tokens are kept. */
import type { Command } from "commander";
import { LachesisError } from "../../core/index.ts";

interface ProxyFlags {
  port: string;
  host: string;
  config?: string;
  toolParser: string;
}

const SERVER_FLAGS = `
Servers:
  --openai.<field> <value>  the inference server: base_url, model_name, server_type, tokenizer_name, … (docs/configuration.md)
  --config <file>           the same in the \`openai\` section of a YAML file
  Without either the embedded model answers.

Environment:
  LACHESIS_PROXY_KEY        key with which other machines may make sessions; sessions have keys of their own
`;

export function register(program: Command): void {
  program
    .command("proxy")
    .description("sessions for agent programs: OpenAI and Anthropic dialects, every call captured token-exactly")
    .option("--port <number>", "port; 0 takes a free one", "9002")
    .option(
      "--host <address>",
      "address to listen on; beyond 127.0.0.1 every call needs its session's key",
      "127.0.0.1",
    )
    .option("--config <file>", "YAML file with an `openai` section")
    .option("--tool-parser <name>", "format of tool calls where a session names none", "hermes")
    .allowUnknownOption()
    .allowExcessArguments()
    .addHelpText("after", SERVER_FLAGS)
    .action((flags: ProxyFlags, command: Command) => serve(flags, command.args));
}

/** Prints `{"listening": url}` once requests are answered, and runs until SIGINT or SIGTERM. */
async function serve(flags: ProxyFlags, rest: readonly string[]): Promise<void> {
  const port = Number(flags.port);
  if (!/^\d+$/.test(flags.port) || port > 65_535) {
    throw new LachesisError("config_invalid", `--port is "${flags.port}"; a number from 0 to 65535 is needed.`);
  }
  const [servers, { startProxy }, { getParser }] = await Promise.all([
    serversOf(rest, flags.config ?? null),
    import("../../inference/proxy/index.ts"),
    import("../../parsers/index.ts"),
  ]);
  getParser(flags.toolParser);
  const stopped = new Promise<void>((resolve) => {
    process.once("SIGINT", resolve);
    process.once("SIGTERM", resolve);
  });
  const proxy = await startProxy({
    servers,
    port,
    host: flags.host,
    toolParser: flags.toolParser,
    adminKey: process.env.LACHESIS_PROXY_KEY || null,
  });
  process.stdout.write(`${JSON.stringify({ listening: proxy.url })}\n`);
  await stopped;
  await proxy.close();
}

/** The servers that flags and file name, checked like those of a run; the embedded model where they name none. */
async function serversOf(rest: readonly string[], file: string | null) {
  const [{ configError, isBooleanField, loadDotEnv, resolveConfig, splitArguments }, { ServerConfig }, { z }] =
    await Promise.all([import("../../config/index.ts"), import("../../inference/server-config.ts"), import("zod")]);
  await loadDotEnv();
  const isSwitch = (flag: string) => flag === "--testing" || isBooleanField(ServerConfig, flag.split(".")[1] ?? "");
  const line = splitArguments(rest, { options: {}, isSwitch });
  const problems = [
    ...line.problems,
    ...line.positionals.map((word) => ({ place: "argument", message: `"${word}" is one argument too many.` })),
    ...line.flags
      .filter(({ path }) => path[0] === "env" || path[0] === "judge")
      .map(({ flag }) => ({ place: flag, message: "a proxy has servers only; give --openai.* flags." })),
  ];
  if (problems.length > 0) throw configError(problems);
  const resolved = await resolveConfig({
    schema: z.object({}),
    configInit: () => ({ openai: { server_type: "embedded" } }),
    file,
    flags: line.flags,
    otherFlags: ["--port", "--host", "--config", "--tool-parser"],
  });
  for (const note of resolved.notes) process.stderr.write(`${note}\n`);
  const embedded = resolved.openai[0]!.server_type === "embedded";
  if (embedded && resolved.sources["openai.server_type"]?.kind === "configInit") {
    process.stderr.write(
      "No inference server is configured: the embedded model answers. Name one with --openai.base_url.\n",
    );
  }
  return resolved.openai;
}
