/**
 * The end of a run: the report, the table of what was done and what was not scored and why, the command that goes on
 * from here, and the exit code. Partial results are always kept, and always said.
 */
import { basename, join, relative } from "node:path";
import { errorMessage, type LachesisError, logger, redacted } from "../core/index.ts";
import { textTable, writeReport } from "../evaluation/index.ts";
import type { OpenRun, RunOptions } from "./open-run.ts";
import type { RunTotals } from "./run-totals.ts";

/** What a user can do about errors that stop a run. */
const ADVICE: Partial<Record<LachesisError["code"], string>> = {
  auth: "Set the server's key in the environment or in .env (`lachesis doctor` names the variable), or --openai.api_key.",
  model_not_found: "Name a model that the server has: --openai.model_name (its /v1/models lists them).",
  connection: "See that the server runs and that --openai.base_url is right (`lachesis doctor` asks it).",
  sandbox_unavailable: "`lachesis doctor` says what this machine lacks for isolated sandboxes.",
};

/** @param failure What ended the run against its will; null when it came to its end. */
export async function endOfRun(run: OpenRun, failure: LachesisError | null, options: RunOptions): Promise<number> {
  const { control, totals, directory, recorder, config, print } = run;
  const stopped = failure ?? control.stopped;
  const code = exitCode(run, failure);
  if (!recorder.failure) {
    await recorder
      .mark({ type: "end", at: new Date().toISOString(), complete: isComplete(run, stopped), exit_code: code })
      .catch((error: unknown) => logger.error({ error: errorMessage(error) }, "the end of the run was not recorded"));
  }
  const report = await reportPath(run);

  print(`\n${summary(totals)}`);
  for (const line of notScored(totals)) print(line);
  if (totals.filtered.size > 0) {
    const reasons = [...totals.filtered].map(([reason, count]) => `${count} ${reason}`).join(", ");
    print(`Groups not written: ${reasons}.`);
  }
  if (stopped && !control.interrupted) {
    print(`\nThe run was stopped: ${redacted(stopped.message)}`);
    // Whoever knows better what helps says so.
    const advice = stopped.details.advice ?? ADVICE[stopped.code];
    if (advice) print(String(advice));
  }
  if (control.interrupted)
    print("\nInterrupted. What was finished is kept; rollouts in flight were ended and cleaned up.");
  if (totals.errorRate > config.max_error_rate && !control.interrupted) {
    const rates = `${percent(totals.errorRate)} of the rollouts could not be scored; env.max_error_rate is ${percent(config.max_error_rate)}`;
    print(`\nExit code 1: ${rates}.`);
  } else if (code === 1 && totals.rewardFailed) {
    print("\nExit code 1: reward code failed; the errors stand above and in journal.jsonl.");
  }
  const shown = shortPath(directory.path);
  print(`\nResults: ${shown}${report ? `, report: ${shortPath(report)}` : ""}`);
  if (recorder.groupsPath && basename(recorder.groupsPath) !== "groups.jsonl")
    print(`Groups: ${shortPath(recorder.groupsPath)}`);
  if (!isComplete(run, stopped)) print(`Continue: ${continueCommand(options.argv ?? [], shown)}`);
  return code;
}

function isComplete(run: OpenRun, stopped: LachesisError | null): boolean {
  return stopped === null && run.recorder.failure === null;
}

function exitCode({ control, totals, config, recorder }: OpenRun, failure: LachesisError | null): number {
  if (control.interrupted) return 130;
  if (failure || control.stopped || recorder.failure) return 1;
  if (totals.rewardFailed) return 1;
  return totals.errorRate > config.max_error_rate ? 1 : 0;
}

async function reportPath(run: OpenRun): Promise<string | null> {
  const path = join(run.directory.path, "report.html");
  try {
    await writeReport(run.directory.path, path);
    return path;
  } catch (error) {
    logger.error({ error: errorMessage(error) }, "the report could not be written");
    return null;
  }
}

function summary(totals: RunTotals): string {
  const rows = [
    ["rollouts", String(totals.done)],
    ["scored", String(totals.scored)],
    ["not scored", `${totals.unscored + totals.aborted} (${percent(totals.errorRate)})`],
    ["mean reward", totals.mean === null ? "–" : totals.mean.toFixed(4)],
    ["mean, errors as 0", totals.meanWithErrors === null ? "–" : totals.meanWithErrors.toFixed(4)],
    ...(totals.groups > 0 ? [["groups written", `${totals.groupsWritten} of ${totals.groups}`]] : []),
    ["tokens", `${totals.promptTokens} prompt, ${totals.completionTokens} completion`],
    ...(!totals.costUsd ? [] : [["cost", `$${totals.costUsd.toFixed(4)}`]]),
    ["tool errors", String(totals.toolErrors)],
    ["stop reasons", [...totals.stopReasons].map(([reason, count]) => `${reason} ${count}`).join(", ") || "–"],
  ];
  return textTable(["run", ""], rows);
}

/** The table of what was not scored; empty when everything was. */
function notScored(totals: RunTotals): string[] {
  const rows = totals.unscorable.map(({ kind, reason, count, example }) => [
    kind,
    reason,
    String(count),
    oneLine(redacted(example)),
  ]);
  return rows.length === 0
    ? []
    : [`\n${textTable(["not scored", "reason", "count", "first message"], rows, { right: [2] })}`];
}

/** The command that was typed, with the directory to go on in. */
export function continueCommand(argv: readonly string[], directory: string): string {
  const words = argv.filter((word, index) => word !== "--resume" && !isRunDir(argv, index));
  return redacted([...program(), ...words.map(quoted), "--run-dir", quoted(directory)].join(" "));
}

/** How this process was started: `lachesis`, or `node` with the environment's own file. */
function program(): string[] {
  const file = process.argv[1] ?? "";
  return /(^|[/\\])lachesis(\.js)?$/.test(file) ? ["lachesis"] : ["node", quoted(shortPath(file))];
}

function isRunDir(argv: readonly string[], index: number): boolean {
  return argv[index] === "--run-dir" || argv[index]!.startsWith("--run-dir=") || argv[index - 1] === "--run-dir";
}

function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

function shortPath(path: string): string {
  const short = relative(process.cwd(), path);
  return short === "" ? "." : short.startsWith("..") ? path : short;
}

function oneLine(text: string): string {
  const line = text.replace(/\s+/g, " ").trim();
  return line.length > 160 ? `${line.slice(0, 157)}...` : line;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}
