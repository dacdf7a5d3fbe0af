/**
 * The configuration of a run after everything was merged and checked: every field is present, and each knows where its
 * value came from. The secrets in it are in clear; whatever prints or stores a configuration uses `publicConfig`.
 */
import type { ServerConfig } from "../inference/server-config.ts";

/** Where a value came from. */
export type Source =
  | { kind: "flag"; flag: string }
  | { kind: "file"; file: string; line: number; column: number }
  | { kind: "mode"; mode: string }
  | { kind: "configInit" }
  | { kind: "environment"; variable: string }
  | { kind: "default" };

export interface ResolvedConfig<Env = Record<string, unknown>> {
  env: Env;
  /** The policy's servers; at least one. */
  openai: ServerConfig[];
  /** The server of the environment's own model calls; null: the policy's. */
  judge: ServerConfig | null;
  /** Servers were taken from SLURM_JOB_NODELIST. */
  slurm: boolean;
  /** The embedded model took the place of every server. */
  testing: boolean;
  /** Largest `n` of one request; more are split over several. */
  max_n_completions: number;
  /** Address of a session proxy; null is none. */
  proxy_url: string | null;
  /** By path: `env.group_size`, `openai.model_name`, `openai.1.base_url` (several servers), `testing`. */
  sources: Record<string, Source>;
  /** Sentences to print at the start, such as which ports are tried because no server was named. */
  notes: string[];
}

/** The source as people read it: `--env.group_size`, `config.yaml:3:5`, `configInit`, `default`. */
export function sourceText(source: Source): string {
  switch (source.kind) {
    case "flag":
      return source.flag;
    case "file":
      return `${source.file}:${source.line}:${source.column}`;
    case "mode":
      return `mode ${source.mode}`;
    case "environment":
      return `environment ${source.variable}`;
    default:
      return source.kind;
  }
}
