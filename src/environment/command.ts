/**
 * The commands of one environment: process, evaluate, serve, config. Both `lachesis MODE ENV …` and `node env.ts MODE …`
 * come here, so they are the same. Nothing is started, and no file written, before the whole configuration is right.
 */
import {
  configLines,
  EXIT,
  isSecretName,
  loadDotEnv,
  metaOf,
  type ResolvedConfig,
  reportError,
  resolveConfig,
  shapeOf,
  survivePipes,
} from "../config/index.ts";
import { LachesisError } from "../core/index.ts";
import { ServerConfig } from "../inference/server-config.ts";
import type { EnvClass } from "./base-env.ts";
import { environmentHelp } from "./command-help.ts";
import { type EnvironmentArguments, OTHER_FLAGS, readArguments, withoutSecrets } from "./command-line.ts";
import { nameRules } from "./command-names.ts";
import { contradictions } from "./fields-rules.ts";
import { loadEnvironment } from "./load.ts";
import { locateEnvironment } from "./locate.ts";
import type { RunOptions } from "./open-run.ts";

type Run = (Env: EnvClass, resolved: ResolvedConfig<object>, options: RunOptions) => Promise<number>;

/** How each mode is run; loaded when it is used. */
const RUNS: Record<string, () => Promise<Run>> = {
  process: async () => (await import("./process.ts")).runProcess,
  evaluate: async () => (await import("./evaluate.ts")).runEvaluate,
  serve: async () => (await import("./serve.ts")).runServe,
};

/** What a mode sets unless a file or flag says otherwise. */
const MODE_VALUES: Record<string, Record<string, unknown>> = {
  process: { ensure_scores_are_not_same: false, include_messages: true },
};

/**
 * Runs a command line such as `["process", "terminal-test", "--env.group_size", "8"]` and gives the exit code. Errors are
 * printed, never thrown.
 * @param target The environment's class, or null when the arguments name it after the mode.
 */
export async function runEnvironmentCommand(argv: readonly string[], target: EnvClass | null = null): Promise<number> {
  const program = target === null ? "lachesis" : target.name;
  survivePipes();
  try {
    await loadDotEnv();
    const args = readArguments(argv, target === null);
    if (args.help && target === null && args.environment === null) {
      print(environmentHelp(null, args.mode));
      return EXIT.done;
    }
    const Env = target ?? (await loadEnvironment(locateEnvironment(args.environment!)));
    if (args.help) {
      print(environmentHelp(Env, args.mode));
      return EXIT.done;
    }
    return await run(Env, args, argv);
  } catch (error) {
    return reportError(error, program);
  }
}

async function run(Env: EnvClass, args: EnvironmentArguments, argv: readonly string[]): Promise<number> {
  const start = args.mode === "config" ? null : await RUNS[args.mode]?.();
  if (start === undefined) {
    throw new LachesisError(
      "unsupported",
      `${args.mode}: this version cannot do that. It can: ${Object.keys(RUNS).join(", ")}.`,
    );
  }
  const resolved = await resolveEnvironment(Env, args);
  for (const note of resolved.notes) process.stderr.write(`${note}\n`);
  if (start === null) {
    print(configLines(resolved, Env.Config).join("\n"));
    return EXIT.done;
  }
  const stop = new AbortController();
  const release = onInterrupt(stop);
  try {
    return await start(Env, resolved, {
      runDir: args.runDir,
      resume: args.resume,
      argv: withoutSecrets(argv, (flag) => isSecretFlag(Env, flag)),
      signal: stop.signal,
    });
  } finally {
    release();
  }
}

/** The configuration of an environment for a mode. Throws `config_invalid` with every problem. */
export async function resolveEnvironment(
  Env: EnvClass,
  args: Pick<EnvironmentArguments, "mode" | "shownMode" | "configFile" | "flags">,
): Promise<ResolvedConfig<Record<string, unknown>>> {
  const mode = args.mode === "config" ? args.shownMode : args.mode;
  const fields = shapeOf(Env.Config) ?? {};
  const values = Object.entries(MODE_VALUES[mode ?? ""] ?? {}).filter(([field]) => Object.hasOwn(fields, field));
  return resolveConfig({
    schema: Env.Config,
    configInit: () => Env.configInit(),
    ...(mode === null ? {} : { mode: { name: mode, env: Object.fromEntries(values) } }),
    file: args.configFile,
    flags: args.flags,
    otherFlags: OTHER_FLAGS,
    rules: [contradictions, nameRules(Env)],
  });
}

/** The first Ctrl-C (or TERM, or a closed terminal) stops the run in order; the second ends the process. */
function onInterrupt(stop: AbortController): () => void {
  const interrupt = () => {
    if (stop.signal.aborted) process.exit(EXIT.interrupted);
    process.stderr.write("\nStopping: what is finished is kept. Press Ctrl-C again to end at once.\n");
    stop.abort(new LachesisError("cancelled", "The run was interrupted."));
  };
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  for (const signal of signals) process.on(signal, interrupt);
  return () => {
    for (const signal of signals) process.off(signal, interrupt);
  };
}

function isSecretFlag(Env: EnvClass, flag: string): boolean {
  const [section, ...path] = flag.slice(2).split(".");
  const schema = section === "env" ? Env.Config : ServerConfig;
  const field = shapeOf(schema)?.[path[0] ?? ""];
  return path.some(isSecretName) || (field !== undefined && metaOf(field).secret);
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
