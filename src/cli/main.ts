/**
 * The command line: finds the command, runs it, gives the exit code. Help and version load nothing else, so that they are
 * there at once.
 */
import { readFileSync } from "node:fs";
import { type CommandRow, commands, loadCommand } from "./command-table.ts";

/**
 * Runs a command line without the program's name. Never throws.
 * @returns 0 done, 1 a fault, 2 wrong configuration or arguments, 130 interrupted
 */
export async function main(argv: readonly string[]): Promise<number> {
  for (const stream of [process.stdout, process.stderr]) {
    // A reader that goes away (`| head`) is no fault; what a run has done is in its files.
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE") throw error;
    });
  }
  const [name, ...rest] = argv;
  const table = commands();
  if (name === undefined || name === "--help" || name === "-h" || (name === "help" && rest.length === 0)) {
    const text = help(table);
    (name === undefined ? process.stderr : process.stdout).write(text);
    return name === undefined ? 2 : 0;
  }
  if (name === "--version" || name === "-V") {
    process.stdout.write(`${version()}\n`);
    return 0;
  }
  if (name === "help") return main([rest[0]!, "--help"]);
  const command = table.find((row) => row.name === name || row.aliases?.includes(name));
  if (command === undefined) {
    process.stderr.write(await unknownCommand(name, table));
    return 2;
  }
  try {
    const run = await loadCommand(command);
    return await run(rest, command.name);
  } catch (error) {
    const { reportError } = await import("../config/exit.ts");
    return reportError(error, `lachesis ${command.name}`);
  }
}

function help(table: readonly CommandRow[]): string {
  const width = Math.max(...table.map(({ name }) => name.length));
  return [
    "Usage: lachesis COMMAND [options]",
    "",
    "Environments, benchmarks and training data for language-model agents.",
    "",
    ...table.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`),
    "",
    "`lachesis COMMAND --help` tells more. First steps: lachesis doctor; lachesis process terminal-test --env.total_steps 3",
    "",
  ].join("\n");
}

async function unknownCommand(name: string, table: readonly CommandRow[]): Promise<string> {
  const { nearestName } = await import("../core/nearest.ts");
  const names = table.flatMap((row) => [row.name, ...(row.aliases ?? [])]);
  const near = nearestName(name, names);
  const hint = near === undefined ? "" : ` Did you mean ${near}?`;
  return `lachesis: "${name}" is no command.${hint} Allowed: ${names.join(", ")}.\n`;
}

function version(): string {
  const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
    version: string;
  };
  return version;
}
