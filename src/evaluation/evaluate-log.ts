/**
 * The evaluate_log form that existing tools read: `metrics.json`, `samples.jsonl` and `evaluate_config.yaml` in one
 * directory, and a table for people.
 */
import { copyFile, mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { EvalMetrics } from "./eval-metrics.ts";
import { writeAtomically } from "./run-directory.ts";
import { textTable } from "./text-table.ts";

export interface EvaluateLog {
  /** Such as `terminal-test_eval`. */
  task: string;
  model: string;
  metrics: EvalMetrics;
  seconds: number;
  generation: { temperature: number; max_new_tokens: number; [parameter: string]: unknown };
}

/** The content of metrics.json. */
export function metricsDocument(log: EvaluateLog): Record<string, unknown> {
  return {
    config_general: {
      model_name: log.model,
      total_evaluation_time_seconds: String(log.seconds),
      generation_parameters: log.generation,
    },
    results: { [`atropos|${log.task}|0`]: log.metrics, all: log.metrics },
  };
}

export async function writeMetrics(directory: string, log: EvaluateLog): Promise<void> {
  await writeAtomically(join(directory, "metrics.json"), `${JSON.stringify(metricsDocument(log), null, 2)}\n`);
}

/** The configuration that the evaluation ran with, without secrets. */
export async function writeEvaluateConfig(directory: string, config: Record<string, unknown>): Promise<void> {
  // Loaded late: it is needed once, and every start would pay for it.
  const { stringify } = await import("yaml");
  await writeAtomically(join(directory, "evaluate_config.yaml"), stringify(config));
}

/** Puts the three files into `target` as well. */
export async function copyEvaluateLog(directory: string, target: string): Promise<void> {
  if (resolve(directory) === resolve(target)) return;
  await mkdir(target, { recursive: true });
  for (const name of ["metrics.json", "samples.jsonl", "evaluate_config.yaml"]) {
    await copyFile(join(directory, name), join(target, name));
  }
}

/** Metrics where less is better; the others rise. */
const LOWER_IS_BETTER = /infra_error_rate|unscored_rate/;
const SUFFIX = /_(stderr|ci95)$/;

/** The table that an evaluation prints. */
export function evaluateTable(log: EvaluateLog): string {
  const names = Object.keys(log.metrics).filter((name) => !SUFFIX.test(name));
  const rows = names.map((name, index) => {
    const value = log.metrics[name];
    const stderr = log.metrics[`${name}_stderr`];
    const direction = /\/n(_\w+)?$/.test(name) ? "" : LOWER_IS_BETTER.test(name) ? "↓" : "↑";
    return [
      index === 0 ? log.task : "",
      index === 0 ? "1" : "",
      "none",
      "0",
      name.replace(/^eval\//, ""),
      direction,
      typeof value === "number" ? number(value) : "",
      typeof stderr === "number" ? "±" : "",
      typeof stderr === "number" ? number(stderr) : "",
    ];
  });
  const table = textTable(["Groups", "Version", "Filter", "n-shot", "Metric", "", "Value", "", "Stderr"], rows, {
    right: [3, 6, 8],
  });
  const interval = log.metrics["eval/pass_rate_ci95"];
  if (!Array.isArray(interval)) return table;
  return `${table}\npass_rate, 95 % interval (Wilson, clustered by item): ${number(interval[0])} to ${number(interval[1])}`;
}

function number(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toFixed(4);
}
