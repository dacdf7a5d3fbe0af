/** The help of `process`, `evaluate`, `serve` and `config`: every field of the environment, grouped, from its schema. */
import { fieldRows, groupsOf, helpLines, TopLevel } from "../config/index.ts";
import { ServerConfig } from "../inference/server-config.ts";
import type { EnvClass } from "./base-env.ts";
import { FIELD_GROUPS } from "./fields.ts";

const WHAT: Record<string, string> = {
  process: "Makes groups of scored rollouts and writes them to a run directory.",
  evaluate: "Runs the environment's evaluation and writes its results to a run directory.",
  serve: "Sends groups of scored rollouts to the trajectory API for a trainer.",
  config: "Prints the resolved configuration: one line a field, with where its value came from.",
};

/** @param Env null: only the general part, without an environment's fields. */
export function environmentHelp(Env: EnvClass | null, mode: string): string {
  const runs = mode !== "config";
  const lines = [
    `Usage: lachesis ${mode} ENV [options] [--env.FIELD VALUE …] [--openai.FIELD VALUE …]`,
    "",
    WHAT[mode] ?? "",
    "ENV is a path to a .ts or .js file, or a name of `lachesis list environments`.",
    "Values: flags win over the file of --config, that over the environment's own, that over the defaults.",
    "A flag without a value is true; None is null; lists are JSON, comma-separated or repeated.",
    "",
    "Options",
    "  --config FILE   YAML with the sections env, openai, judge",
    ...(runs
      ? [
          "  --run-dir DIR   where the run is kept; the same command continues what is there",
          "  --resume        continue the newest run of the same environment and configuration",
        ]
      : ["  --mode MODE     show the values of process, evaluate or serve"]),
    "  --help          this text; with ENV, all of its fields",
  ];
  if (Env === null) return lines.join("\n");
  for (const { title, fields } of groupsOf(Env.Config, FIELD_GROUPS, `Fields of ${Env.name}`)) {
    lines.push("", title, ...helpLines("env", fieldRows(Env.Config, fields)));
  }
  lines.push(
    "",
    "Inference server (a list of several stands in the file)",
    ...helpLines("openai", fieldRows(ServerConfig)),
  );
  lines.push(
    "",
    "The environment's own model calls: --judge.FIELD takes the same fields; without it they go to the policy.",
  );
  lines.push("", "Top level", ...helpLines("", fieldRows(TopLevel)));
  return lines.join("\n");
}
