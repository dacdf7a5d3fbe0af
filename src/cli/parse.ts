/** Commander without its habits: help is printed, mistakes are named with the nearest option, and nothing ends the process. */
import { Command, CommanderError } from "commander";

/** Parses the arguments of one command. Gives the command, or the exit code when it is done (0: help, 2: a mistake). */
export function parseOptions(command: Command, argv: readonly string[]): Command | number {
  try {
    return tamed(command).parse([...argv], { from: "user" });
  } catch (error) {
    return exitCode(error);
  }
}

/** Runs a command that adds itself to a program. `argv` starts with the command's name. Other errors are thrown. */
export async function runRegistered(register: (program: Command) => void, argv: readonly string[]): Promise<number> {
  const program = new Command("lachesis");
  register(program);
  try {
    await tamed(program).parseAsync([...argv], { from: "user" });
    return Number(process.exitCode ?? 0);
  } catch (error) {
    return exitCode(error);
  }
}

function tamed(command: Command): Command {
  command
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, `${fullName(command)}: `)) });
  for (const below of command.commands) tamed(below);
  return command;
}

function fullName(command: Command): string {
  return command.parent === null ? command.name() : `${fullName(command.parent)} ${command.name()}`;
}

function exitCode(error: unknown): number {
  if (!(error instanceof CommanderError)) throw error;
  return error.exitCode === 0 ? 0 : 2;
}
