/** Runs an environment class in this process, as a command line would, in a directory of its own. */
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { resolveConfig } from "../../src/config/index.ts";
import { type EnvClass, runEvaluate, runProcess } from "../../src/environment/index.ts";

export interface RunSettings {
  mode?: "process" | "evaluate";
  env?: Record<string, unknown>;
  openai: Record<string, unknown>;
  judge?: Record<string, unknown>;
  runDir?: string;
  resume?: boolean;
  signal?: AbortSignal;
}

export interface RanEnvironment {
  code: number;
  directory: string;
  /** What was printed. */
  output: string;
  /** The parsed lines of a file of the run. */
  lines(file: string): Record<string, unknown>[];
  text(file: string): string;
}

export function temporaryDirectory(): string {
  return mkdtempSync(join(tmpdir(), "lachesis-test-"));
}

export async function runEnvironment(Env: EnvClass, settings: RunSettings): Promise<RanEnvironment> {
  const mode = settings.mode ?? "process";
  const directory = settings.runDir ?? join(temporaryDirectory(), "run");
  const output: string[] = [];
  const resolved = await resolveConfig({
    schema: Env.Config,
    configInit: () => ({
      ...Env.configInit(),
      openai: { health_check: false, ...settings.openai },
      ...(settings.judge && { judge: settings.judge }),
    }),
    ...(mode === "process" && {
      mode: { name: "process", env: { ensure_scores_are_not_same: false, include_messages: true } },
    }),
    flags: Object.entries(settings.env ?? {}).map(([field, value]) => ({
      flag: `--env.${field}`,
      path: ["env", field],
      text: typeof value === "string" ? value : JSON.stringify(value),
    })),
    environment: {},
  });
  const code = await (mode === "process" ? runProcess : runEvaluate)(Env, resolved, {
    runDir: directory,
    argv: [mode],
    print: (text) => void output.push(text),
    ...(settings.signal && { signal: settings.signal }),
  });
  const text = (file: string) => readFileSync(join(directory, file), "utf8");
  return {
    code,
    directory,
    output: output.join("\n"),
    text,
    lines: (file) =>
      text(file)
        .split("\n")
        .filter(Boolean)
        .map((line) => JSON.parse(line)),
  };
}
