/**
 * The command line of an environment, split into words without any knowledge of the environment's own fields: runner
 * options, positional arguments, and uses of configuration flags in their order. Values are not interpreted here.
 */
import type { ConfigProblem } from "./problem.ts";

/** One use of `--section.field value`, `--section.field=value` or `--section.field`. */
export interface FlagUse {
  /** As it is named in messages: `--env.group_size`. */
  flag: string;
  /** `["env", "group_size"]`. */
  path: string[];
  /** `true` when nothing stood behind it. */
  text: string | true;
}

export interface CommandLine {
  positionals: string[];
  flags: FlagUse[];
  /** Options of the command itself, such as `run-dir`; a switch has the value true. */
  options: Record<string, string | true>;
  problems: ConfigProblem[];
}

export interface CommandOptions {
  /** Options of the command, without dashes; whether each takes a value. */
  options: Readonly<Record<string, "value" | "switch">>;
  /** True for flags that may stand without a value before a positional argument. */
  isSwitch: (flag: string) => boolean;
}

const SWITCH_VALUE = /^(true|false|yes|no|on|off|0|1|none)$/i;

/**
 * Splits the arguments. A value that starts with two dashes needs the form with `=`; `--` ends the options.
 * @example
 * splitArguments(["x.ts", "--env.group_size", "8"], { options: {}, isSwitch: () => false }).flags[0].text // "8"
 */
export function splitArguments(argv: readonly string[], spec: CommandOptions): CommandLine {
  const line: CommandLine = { positionals: [], flags: [], options: {}, problems: [] };
  for (let at = 0; at < argv.length; at++) {
    const word = argv[at]!;
    if (word === "--") {
      line.positionals.push(...argv.slice(at + 1));
      break;
    }
    if (word === "-h") {
      line.options.help = true;
      continue;
    }
    if (!word.startsWith("--")) {
      line.positionals.push(word);
      continue;
    }
    const equals = word.indexOf("=");
    const flag = equals < 0 ? word : word.slice(0, equals);
    const name = flag.slice(2);
    const option = Object.hasOwn(spec.options, name) ? spec.options[name] : undefined;
    let text: string | true = equals < 0 ? true : word.slice(equals + 1);
    const next = argv[at + 1];
    const wantsValue =
      option === undefined
        ? next !== undefined && (!spec.isSwitch(flag) || SWITCH_VALUE.test(next))
        : option === "value";
    if (text === true && wantsValue && next !== undefined && !next.startsWith("--")) {
      text = next;
      at++;
    }
    if (option === undefined) line.flags.push({ flag, path: name.split("."), text });
    else if (option === "value" && (text === true || text === "")) {
      line.problems.push({ place: flag, message: "needs a value." });
    } else if (option === "switch" && text !== true) {
      line.problems.push({ place: flag, message: "takes no value." });
    } else line.options[name] = text;
  }
  return line;
}
