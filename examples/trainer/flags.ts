/** The trainer's command line. Every flag has a meaning, a default and a range; anything else is an error. */
import { parseArgs } from "node:util";
import { LachesisError } from "lachesis/core";

interface Flag {
  meaning: string;
  /** null: there is none; the flag may be left out. */
  standard: string | null;
  number?: { least: number; most?: number; whole?: boolean };
  values?: readonly string[];
  many?: boolean;
}

const FLAGS = {
  api: { meaning: "address of the trajectory API", standard: "http://127.0.0.1:8000" },
  run: { meaning: "run of the API (protocol v2)", standard: "default" },
  protocol: { meaning: "auto, v1 or v2", standard: "auto", values: ["auto", "v1", "v2"] },
  model: { meaning: "folder of the model that training begins with", standard: "models/tiny/half-trained" },
  server: {
    meaning: "inference server that takes the weights; may be given several times",
    standard: null,
    many: true,
  },
  out: { meaning: "folder for checkpoints and metrics.jsonl", standard: "runs/trainer" },
  steps: { meaning: "training steps", standard: "30", number: { least: 1, whole: true } },
  "batch-size": { meaning: "sequences per step", standard: "128", number: { least: 2, whole: true } },
  "max-tokens": { meaning: "longest sequence", standard: "1024", number: { least: 2, whole: true } },
  "updates-per-batch": { meaning: "optimiser updates per step", standard: "1", number: { least: 1, whole: true } },
  lr: { meaning: "learning rate", standard: "6e-4", number: { least: 0 } },
  "warmup-steps": { meaning: "steps until the full learning rate", standard: "1", number: { least: 0, whole: true } },
  "weight-decay": { meaning: "of matrices", standard: "0", number: { least: 0, most: 1 } },
  "max-gradient-norm": { meaning: "longer gradients are shortened", standard: "1", number: { least: 1e-9 } },
  clip: { meaning: "bound of the importance ratio below 1", standard: "0.2", number: { least: 0, most: 1 } },
  "clip-high": { meaning: "bound above 1; default: as --clip", standard: null, number: { least: 0 } },
  "ratio-limit": {
    meaning: "ratio beyond which negative advantages no longer push",
    standard: "3",
    number: { least: 1 },
  },
  kl: { meaning: "weight of the divergence from the sampling policy", standard: "0", number: { least: 0 } },
  loss: { meaning: "token or sequence: what weighs the same", standard: "token", values: ["token", "sequence"] },
  "max-staleness": {
    meaning: "weight versions that a group may be behind",
    standard: null,
    number: { least: 0, whole: true },
  },
  "lease-seconds": { meaning: "how long a batch stays ours without an update", standard: "600", number: { least: 1 } },
  dtype: { meaning: "of the weights for the server", standard: "F32", values: ["F32", "F16"] },
  keep: { meaning: "checkpoints that are kept", standard: "2", number: { least: 1, whole: true } },
  threads: { meaning: "threads for the gradient", standard: "2", number: { least: 1, most: 64, whole: true } },
  seed: { meaning: "order of the groups within a batch", standard: "0", number: { least: 0, whole: true } },
  name: { meaning: "name of this trainer in leases", standard: "example-trainer" },
} as const satisfies Record<string, Flag>;

export type FlagName = keyof typeof FLAGS;

export class Flags {
  readonly #values: Record<string, string | string[] | boolean | undefined>;

  /** Throws `config_invalid`. */
  constructor(args: readonly string[]) {
    const options = Object.fromEntries(
      Object.entries(FLAGS).map(([name, flag]: [string, Flag]) => [
        name,
        { type: "string" as const, multiple: flag.many ?? false },
      ]),
    );
    const switches = { help: { type: "boolean" as const }, json: { type: "boolean" as const } };
    try {
      this.#values = parseArgs({ args: [...args], options: { ...options, ...switches } }).values;
    } catch (error) {
      throw new LachesisError("config_invalid", error instanceof Error ? error.message : String(error));
    }
  }

  has(name: "help" | "json"): boolean {
    return this.#values[name] === true;
  }

  text(name: FlagName): string {
    const flag: Flag = FLAGS[name];
    const value = this.#values[name] ?? flag.standard;
    if (typeof value !== "string" || (flag.values && !flag.values.includes(value))) {
      throw invalid(name, value, flag.values?.join(" or ") ?? "a value");
    }
    return value;
  }

  all(name: "server"): string[] {
    const value = this.#values[name];
    return Array.isArray(value) ? value : [];
  }

  number(name: FlagName): number {
    const value = this.optionalNumber(name);
    if (value === null) throw invalid(name, undefined, "a number");
    return value;
  }

  /** null where it was left out and has no default. */
  optionalNumber(name: FlagName): number | null {
    const flag: Flag = FLAGS[name];
    const text = this.#values[name] ?? flag.standard;
    if (text === null || text === undefined) return null;
    const {
      least,
      most = Number.POSITIVE_INFINITY,
      whole = false,
    } = flag.number ?? { least: Number.NEGATIVE_INFINITY };
    const value = typeof text === "string" && text.trim() !== "" ? Number(text) : Number.NaN;
    if (!(value >= least && value <= most) || !Number.isFinite(value) || (whole && !Number.isSafeInteger(value))) {
      throw invalid(
        name,
        text,
        `a ${whole ? "whole " : ""}number from ${least}${most < Infinity ? ` to ${most}` : ""}`,
      );
    }
    return value;
  }
}

function invalid(name: string, value: unknown, wanted: string): LachesisError {
  return new LachesisError("config_invalid", `--${name} is ${JSON.stringify(value)}; ${wanted} is needed.`);
}

export function helpText(): string {
  const lines = Object.entries(FLAGS).map(([name, { meaning, standard }]: [string, Flag]) => {
    const end = standard === null ? "" : ` (${standard})`;
    return `  --${name.padEnd(20)}${meaning}${end}`;
  });
  return [
    "node examples/trainer/main.ts [flags]: GRPO for the embedded model",
    "",
    ...lines,
    `  --${"json".padEnd(20)}print each step's metrics as a JSON line`,
    "",
  ].join("\n");
}
