/**
 * The arguments of `process`, `evaluate` and `config`, which are the same whether they come from `lachesis MODE ENV …` or
 * from `node env.ts MODE …`: which environment, which configuration file, which run directory, which flags.
 */
import { type CommandLine, type ConfigProblem, configError, isBooleanField, splitArguments } from "../config/index.ts";
import { nearestName } from "../core/index.ts";
import { ServerConfig } from "../inference/server-config.ts";
import { AgentEnvConfig } from "./fields.ts";

export const RUN_MODES = ["process", "evaluate", "serve"] as const;
export const MODES = [...RUN_MODES, "config"] as const;
export type Mode = (typeof MODES)[number];

const OPTIONS = { config: "value", "run-dir": "value", resume: "switch", mode: "value", help: "switch" } as const;

export interface EnvironmentArguments {
  mode: Mode;
  /** The environment as it was named; null where the caller has its class. */
  environment: string | null;
  configFile: string | null;
  runDir: string | null;
  resume: boolean;
  help: boolean;
  /** `--mode` of `config`: whose values are shown. */
  shownMode: string | null;
  flags: CommandLine["flags"];
}

/**
 * Reads the arguments after the program's name. Throws `config_invalid` naming everything that cannot be understood.
 * @param named Whether an environment must be named, as for `lachesis`.
 */
export function readArguments(argv: readonly string[], named: boolean): EnvironmentArguments {
  const line = splitArguments(argv, { options: OPTIONS, isSwitch });
  const problems: ConfigProblem[] = [...line.problems];
  const [mode, ...rest] = line.positionals;
  const environment = named ? (rest.shift() ?? null) : null;
  const help = line.options.help === true;
  const isMode = (MODES as readonly string[]).includes(mode ?? "");
  if (!isMode && !(help && mode === undefined)) problems.push(unknownMode(mode));
  if (named && environment === null && !help) {
    problems.push({
      place: mode ?? "lachesis",
      message: "name an environment: a path to its file, or one of `lachesis list environments`.",
    });
  }
  for (const extra of rest) problems.push({ place: "argument", message: `"${extra}" is one argument too many.` });
  const shownMode = typeof line.options.mode === "string" ? line.options.mode : null;
  if (shownMode !== null && mode !== "config") {
    problems.push({ place: "--mode", message: "belongs to `config` only; elsewhere the mode is the first word." });
  } else if (shownMode !== null && !(RUN_MODES as readonly string[]).includes(shownMode)) {
    problems.push({ place: "--mode", message: modeMessage(shownMode, RUN_MODES) });
  }
  if (mode === "config" && (line.options["run-dir"] !== undefined || line.options.resume !== undefined)) {
    problems.push({
      place: "config",
      message: "prints the configuration only; --run-dir and --resume belong to runs.",
    });
  }
  if (line.options.resume === true && line.options["run-dir"] !== undefined) {
    problems.push({
      place: "--resume",
      message: "finds the newest run by itself; with --run-dir that directory is continued. Give one of them.",
    });
  }
  if (problems.length > 0) throw configError(problems);
  const text = (value: string | true | undefined) => (typeof value === "string" ? value : null);
  return {
    mode: isMode ? (mode as Mode) : "process",
    environment,
    configFile: text(line.options.config),
    runDir: text(line.options["run-dir"]),
    resume: line.options.resume === true,
    help,
    shownMode,
    flags: line.flags,
  };
}

/** Flags that are known and no configuration, for hints about misspelt ones. */
export const OTHER_FLAGS = Object.keys(OPTIONS).map((name) => `--${name}`);

/** The arguments without values that may be secret, to be shown as "the command that continues". */
export function withoutSecrets(argv: readonly string[], isSecret: (flag: string) => boolean): string[] {
  return argv.map((word, at) => {
    const equals = word.indexOf("=");
    if (word.startsWith("--") && equals > 0 && isSecret(word.slice(0, equals)))
      return `${word.slice(0, equals)}=(hidden)`;
    const before = argv[at - 1];
    return before?.startsWith("--") && !word.startsWith("--") && isSecret(before) ? "(hidden)" : word;
  });
}

function unknownMode(mode: string | undefined): ConfigProblem {
  if (mode === undefined) return { place: "command", message: `name what to do: ${MODES.join(", ")}.` };
  return { place: mode, message: modeMessage(mode, MODES) };
}

function modeMessage(mode: string, allowed: readonly string[]): string {
  const near = nearestName(mode, allowed);
  return `"${mode}" is no mode.${near === undefined ? "" : ` Did you mean ${near}?`} Allowed: ${allowed.join(", ")}.`;
}

/** Before the environment's own fields are known, the base fields say which flags may stand alone. */
function isSwitch(flag: string): boolean {
  const [section, field, ...below] = flag.slice(2).split(".");
  if (field === undefined) return section === "slurm" || section === "testing";
  if (below.length > 0) return false;
  return section === "env" ? isBooleanField(AgentEnvConfig, field) : isBooleanField(ServerConfig, field);
}
