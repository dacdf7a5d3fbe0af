/** Commander for one command: help is printed, mistakes are named with the nearest option, and nothing ends the process. */
import { type Command, CommanderError } from "commander";

/** Parses the arguments. Gives the command, or the exit code when it is done (0: help was printed, 2: a mistake). */
export function parseOptions(command: Command, argv: readonly string[]): Command | number {
  command
    .exitOverride()
    .showHelpAfterError(false)
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, `${command.name()}: `)) });
  try {
    return command.parse([...argv], { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return error.exitCode === 0 ? 0 : 2;
  }
}
