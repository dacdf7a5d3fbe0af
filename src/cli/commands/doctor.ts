/**
 * `lachesis doctor`: can this machine do the main job (a model solves tasks in an isolated sandbox, results are kept)? Each
 * line says what was found and, where something is missing, what to do. Keys are named, never shown; servers are asked by
 * free calls only.
 */
import { Command } from "commander";
import { splitArguments } from "../../config/index.ts";
import {
  type Check,
  checkDisk,
  checkKeys,
  checkLimits,
  checkNode,
  checkPrograms,
  checkSandbox,
} from "../doctor-checks.ts";
import { checkServers } from "../doctor-servers.ts";
import { parseOptions } from "../parse.ts";

const MARKS = { ok: "ok   ", note: "note ", bad: "BAD  " } as const;

export async function run(argv: readonly string[]): Promise<number> {
  const command = new Command("lachesis doctor")
    .description("Checks Node, the sandbox, limits, disk, keys and servers, and says what to do.")
    .option("--config <file>", "YAML whose servers are asked")
    .option("--json", "as JSON, for programs")
    .allowUnknownOption()
    .allowExcessArguments()
    .addHelpText("after", "\n--openai.FIELD and --judge.FIELD name servers as for `lachesis process`.");
  const parsed = parseOptions(command, argv);
  if (typeof parsed === "number") return parsed;
  const line = splitArguments(argv, { options: { config: "value", json: "switch" }, isSwitch: () => false });
  const file = typeof line.options.config === "string" ? line.options.config : null;
  // First: a wrong flag is reported before anything is looked at.
  const serverChecks = await checkServers(file, line.flags);
  const checks: Check[] = [
    checkNode(),
    ...(await checkSandbox()),
    ...(await checkLimits()),
    ...(await checkDisk()),
    ...serverChecks,
    ...checkKeys(),
    ...(await checkPrograms()),
  ];
  const failed = checks.some(({ state }) => state === "bad");
  if (command.opts<{ json?: boolean }>().json) {
    process.stdout.write(`${JSON.stringify({ ok: !failed, checks }, null, 2)}\n`);
  } else {
    const width = Math.max(...checks.map(({ name }) => name.length));
    for (const { state, name, found, advice } of checks) {
      process.stdout.write(`${MARKS[state]} ${name.padEnd(width)}  ${found}\n`);
      if (advice !== null) process.stdout.write(`      ${" ".repeat(width)}  → ${advice}\n`);
    }
    process.stdout.write(
      failed
        ? "\nSomething that the main job needs is missing; see BAD above.\n"
        : "\nThe main job can run: lachesis process terminal-test --env.total_steps 3\n",
    );
  }
  return failed ? 1 : 0;
}
