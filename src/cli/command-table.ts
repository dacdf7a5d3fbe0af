/**
 * The commands of `lachesis`, one line each. A command is the file `commands/MODULE.ts`. It exports either
 * `register(program)`, which adds it to a commander program, or `run(argv, command): Promise<number>`, which gets the
 * arguments after the command's name and gives the exit code. It is loaded when it is used; a command whose file is not
 * part of this version does not exist.
 */
import { existsSync } from "node:fs";
import { extname } from "node:path";
import type { Command } from "commander";

export interface CommandRow {
  name: string;
  summary: string;
  /** File below commands/, without its ending. Default: the name. */
  module?: string;
  /** Further file that must exist, relative to this folder, without its ending. */
  needs?: string;
  aliases?: readonly string[];
}

type Run = (argv: readonly string[], command: string) => Promise<number>;
type CommandModule = { run: Run } | { register: (program: Command) => void };

const ROWS: readonly CommandRow[] = [
  { name: "process", summary: "make groups of scored rollouts and write them to files", module: "environment" },
  { name: "evaluate", summary: "run an environment's evaluation", module: "environment" },
  { name: "serve", summary: "send groups to a trainer", module: "environment", needs: "../environment/serve" },
  { name: "config", summary: "print the resolved configuration and where each value came from", module: "environment" },
  { name: "init", summary: "make a new environment with its test" },
  { name: "doctor", summary: "check this machine and say what to do" },
  { name: "list", summary: "list environments, toolsets, distributions, tools, backends, parsers" },
  { name: "model", summary: "serve the embedded model over HTTP" },
  { name: "view", summary: "look at runs in the browser" },
  { name: "api", summary: "run the trajectory API", aliases: ["run-api"] },
  { name: "proxy", summary: "run the session proxy" },
  { name: "data", summary: "make SFT and DPO data out of groups" },
  { name: "export", summary: "change the format of trajectories" },
];

/** `.ts` in the sources, `.js` in the compiled files. */
const ENDING = extname(import.meta.url);
const fileOf = (path: string): URL => new URL(`${path}${ENDING}`, import.meta.url);

/** The commands of this version. */
export function commands(): CommandRow[] {
  return ROWS.filter(({ name, module, needs }) => {
    return existsSync(fileOf(`commands/${module ?? name}`)) && (needs === undefined || existsSync(fileOf(needs)));
  });
}

/** Loads the command and gives what runs it. */
export async function loadCommand({ name, module }: CommandRow): Promise<Run> {
  const loaded: CommandModule = await import(fileOf(`commands/${module ?? name}`).href);
  if ("run" in loaded) return loaded.run;
  const { runRegistered } = await import("./parse.ts");
  return (argv) => runRegistered(loaded.register, [name, ...argv]);
}
