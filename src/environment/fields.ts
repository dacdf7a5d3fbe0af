/**
 * Every field of the `env` section: name, type, default and meaning, in one zod schema that gives YAML, flags, help and
 * the table in docs/configuration.md. Names and defaults are those that existing YAML files know; an environment adds
 * its own with `Config.extend({…})`. The schema is strict: a field that it does not name is an error.
 */
import { z } from "zod";
import { PriceTable, REASONING_EFFORTS } from "../inference/server-config.ts";
import { poolFields } from "./fields-pool.ts";

const positive = () => z.int().min(1);
/** −1 stands for "no limit" or "decided elsewhere", as each field says. */
const positiveOrMinusOne = () => z.int().refine((value) => value === -1 || value >= 1, "must be −1 or at least 1");

export const EVAL_HANDLINGS = ["STOP_TRAIN", "LIMIT_TRAIN", "NONE"] as const;

const runFields = {
  group_size: positive().default(4).describe("Rollouts per item; they are compared with each other"),
  total_steps: z
    .int()
    .min(-1)
    .default(1000)
    .describe("`process`: how many groups are made. `serve`: training steps; −1 takes the trainer's"),
  seed: z
    .int()
    .min(0)
    .max(2 ** 31 - 1)
    .default(0)
    .describe("Seed of the run: order of items, samples of distributions and sampling seeds all derive from it"),
  max_num_workers: positiveOrMinusOne()
    .default(-1)
    .describe("Groups in flight; −1 is max_num_workers_per_node × number of inference servers"),
  max_num_workers_per_node: positive().default(8).describe("Groups in flight per inference server"),
  worker_timeout: z
    .number()
    .refine((value) => value === -1 || value > 0, "must be −1 or more than 0")
    .default(600)
    .describe("Seconds that one try of a rollout may take before it is ended and made again; −1 is no limit"),
  rollout_retries: z.int().min(0).default(2).describe("How often an aborted rollout is tried again"),
  max_error_rate: z
    .number()
    .min(0)
    .max(1)
    .default(0.5)
    .describe("The run ends with exit code 1 when more than this share of its rollouts could not be scored"),
};

const trainingFields = {
  batch_size: positiveOrMinusOne().default(-1).describe("Sequences per training batch; −1 takes the trainer's"),
  max_batches_offpolicy: z
    .int()
    .min(0)
    .default(3)
    .describe("`serve` pauses when this many batches are queued; 0 counts as 1"),
  min_batch_allocation: z
    .number()
    .min(0)
    .max(1)
    .nullable()
    .default(null)
    .describe("Least share of every batch that comes from this environment; null is none"),
  inference_weight: z.number().min(0).default(1).describe("Share of each inference server's slots that is used"),
  ensure_scores_are_not_same: z
    .boolean()
    .default(true)
    .describe("Leave out groups whose scores are all equal (`process` sets it to false unless told)"),
  max_staleness: z
    .int()
    .min(0)
    .nullable()
    .default(null)
    .describe("Weight versions that a group may lag behind the trainer; null is no limit"),
  max_trajectory_tokens: positive()
    .nullable()
    .default(null)
    .describe("Tokens of a whole sequence; null takes the trainer's max_token_len"),
  allow_rendered_tokens: z
    .boolean()
    .default(false)
    .describe("Send groups whose tokens were rendered from text, without log-probabilities (fit for SFT only)"),
  include_messages: z
    .boolean()
    .default(false)
    .describe("Put the conversations into groups (`process` sets it to true)"),
  rollout_server_url: z.string().default("http://localhost:8000").describe("Address of the trajectory API (`serve`)"),
};

const generationFields = {
  max_token_length: positive().default(2048).describe("Tokens that one model call may generate"),
  tokenizer_name: z
    .string()
    .default("NousResearch/DeepHermes-3-Llama-3-3B-Preview")
    .describe("Tokenizer of the policy: a folder or a hub id"),
  thinking_mode: z.boolean().default(false).describe("Ask the model to reason, and keep its reasoning in the history"),
  reasoning_effort: z.enum(REASONING_EFFORTS).nullable().default(null).describe("Reasoning effort; null leaves it out"),
  max_reasoning_tokens: z
    .int()
    .min(1024)
    .max(32_000)
    .nullable()
    .default(null)
    .describe("Reasoning budget in tokens; null leaves it out"),
  custom_thinking_prompt: z
    .string()
    .nullable()
    .default(null)
    .describe("Put in front of the system prompt when thinking_mode is on; null is nothing"),
};

const evaluationFields = {
  steps_per_eval: z.int().default(100).describe("`serve` evaluates every so many steps; 0 or less is never"),
  max_eval_workers: positive().default(16).describe("Evaluation rollouts at once"),
  eval_handling: z
    .enum(EVAL_HANDLINGS)
    .default("STOP_TRAIN")
    .describe("What training does during an evaluation: start nothing new, use fewer slots, or go on"),
  eval_limit_ratio: z
    .number()
    .min(0)
    .max(1)
    .default(0.5)
    .describe("Share of the training workers that go on during an evaluation (LIMIT_TRAIN)"),
  eval_size: z.int().min(0).default(20).describe("Items held out of training for evaluation"),
  eval_attempts: positive().default(1).describe("Rollouts per item in evaluation (k of pass@k)"),
  eval_temperature: z.number().min(0).default(0).describe("Sampling temperature in evaluation"),
};

const recordFields = {
  data_path_to_save_groups: z
    .string()
    .nullable()
    .default(null)
    .describe(
      "Write groups to this JSONL instead of the run directory; a file of another run gets _1, _2, … beside it",
    ),
  data_dir_to_save_evals: z
    .string()
    .nullable()
    .default(null)
    .describe("Write evaluation results to this directory as well as to the run directory"),
  use_wandb: z.boolean().default(true).describe("Send metrics to Weights & Biases, if WANDB_API_KEY is set"),
  wandb_name: z
    .string()
    .nullable()
    .default(null)
    .describe("Name of the run there and prefix of its metrics; null is the environment's name"),
  num_rollouts_to_keep: positiveOrMinusOne().default(32).describe("Groups in the rollout table; −1 is all"),
  num_rollouts_per_group_for_logging: positiveOrMinusOne()
    .default(1)
    .describe("Rollouts of each group in the rollout table; −1 is all"),
  min_items_sent_before_logging: z.int().min(0).default(2).describe("Groups to wait for before metrics are logged"),
};

/**
 * The `env` section of every environment, with its defaults.
 * @example
 * BaseEnvConfig.parse({ group_size: 8 }).max_token_length // 2048
 */
export const BaseEnvConfig = z.strictObject({
  ...runFields,
  ...generationFields,
  ...evaluationFields,
  ...trainingFields,
  ...recordFields,
});
export type BaseEnvConfig = z.infer<typeof BaseEnvConfig>;

const agentFields = {
  max_agent_turns: positive().default(30).describe("Model calls per rollout"),
  system_prompt: z.string().nullable().default(null).describe("System message; null is none"),
  agent_temperature: z.number().min(0).default(1).describe("Sampling temperature in training"),
  token_budget: positive()
    .nullable()
    .default(null)
    .describe("Prompt and completion tokens that one rollout may use; null is no limit"),
  cost_budget_usd: z.number().positive().nullable().default(null).describe("US dollars per rollout; null is no limit"),
  time_budget_s: z.number().positive().nullable().default(null).describe("Seconds per rollout; null is no limit"),
  reward_timeout_s: z.number().positive().default(600).describe("Seconds that computeReward may take"),
  price_table: PriceTable.nullable()
    .default(null)
    .describe(
      "Prices by model name (`*` is every other), in US dollars per million tokens; null: what the server says",
    ),
  extra_body: z
    .record(z.string(), z.unknown())
    .nullable()
    .default(null)
    .describe("Merged into the body of every chat request, such as a provider's own options"),
  tool_call_parser: z
    .string()
    .default("hermes")
    .describe("How tool calls are read out of raw text (`lachesis list parsers`)"),
  harness: z
    .enum(["builtin", "command"])
    .default("builtin")
    .describe("The agent: the built-in loop, or a program in the sandbox that talks to the session proxy"),
  harness_command: z.string().nullable().default(null).describe("Shell command of that program"),
};

const toolFields = {
  enabled_toolsets: z
    .array(z.string())
    .nullable()
    .default(null)
    .describe("Toolsets by name (`lachesis list toolsets`); null and no distribution is every tool that works here"),
  disabled_toolsets: z.array(z.string()).nullable().default(null).describe("Toolsets that are taken away afterwards"),
  distribution: z
    .string()
    .nullable()
    .default(null)
    .describe("Sample the toolsets of each group (`lachesis list distributions`); excludes enabled_toolsets"),
  tool_pool_size: positive().default(128).describe("Tool calls at once in the whole process"),
  default_result_size_chars: positive()
    .default(100_000)
    .describe("Characters of one tool result; what is longer stays in the sandbox and can be paged"),
  turn_budget_chars: positive().default(200_000).describe("Characters of all tool results of one turn"),
  preview_size_chars: z.int().min(0).default(1500).describe("Characters shown of a result that was put aside"),
  tool_result_overrides: z
    .record(z.string(), positive())
    .nullable()
    .default(null)
    .describe("Characters of one result by tool name, instead of default_result_size_chars"),
  redact_tool_output: z.boolean().default(false).describe("Replace what looks like a secret in tool results"),
};

const sandboxFields = {
  terminal_backend: z.string().default("local").describe("Where tools run (`lachesis list backends`)"),
  terminal_timeout: z.number().positive().default(120).describe("Seconds per command when the model names none"),
  terminal_max_timeout: z.number().positive().default(600).describe("Most seconds that the model may ask for"),
  terminal_lifetime: z
    .number()
    .positive()
    .default(3600)
    .describe("Seconds after which a sandbox nobody uses is destroyed"),
  sandbox_image: z
    .string()
    .default("atropos-sandbox:local")
    .describe(
      "Image of the sandbox; the local backend knows `rootfs:DIR` and otherwise shows the host's /usr read-only",
    ),
  allow_network: z
    .union([z.boolean(), z.literal("host")])
    .default(false)
    .describe(
      "Outbound network for the sandbox; true leaves the host's own addresses unreachable, host shares its network",
    ),
  require_sandbox: z.boolean().default(false).describe("Fail rather than run the model's commands without isolation"),
  sandbox_memory_mb: positive()
    .nullable()
    .default(null)
    .describe("Memory of a sandbox in MiB; null is the backend's default"),
  sandbox_pids: positive().nullable().default(null).describe("Processes of a sandbox; null is the backend's default"),
  sandbox_disk_mb: positive()
    .nullable()
    .default(null)
    .describe("Disk of a sandbox in MiB; null is the backend's default"),
};

const datasetFields = {
  dataset_name: z
    .string()
    .nullable()
    .default(null)
    .describe("Items: a folder, a .jsonl, .json, .csv or .parquet file, or a hub id; null is the environment's own"),
  dataset_config: z.string().nullable().default(null).describe("Subset of the data set; null is its default one"),
  dataset_split: z.string().default("train").describe("Split of the data set"),
  dataset_revision: z
    .string()
    .nullable()
    .default(null)
    .describe("Branch, tag or commit of a data set from the hub; null is main, pinned to its commit at first use"),
  prompt_field: z.string().default("prompt").describe("Column that holds the prompt"),
};

/**
 * The `env` section of environments that run tool-using agents.
 * @example
 * const Config = AgentEnvConfig.extend({ hint: z.boolean().default(false).describe("Show the hint") });
 */
export const AgentEnvConfig = BaseEnvConfig.extend({
  ...agentFields,
  ...toolFields,
  ...sandboxFields,
  ...datasetFields,
  ...poolFields,
});
export type AgentEnvConfig = z.infer<typeof AgentEnvConfig>;

/** Headings of help and documentation, in their order. A field that stands in none is the environment's own. */
export const FIELD_GROUPS: readonly { title: string; fields: readonly string[] }[] = [
  { title: "Run", fields: Object.keys(runFields) },
  { title: "Generation", fields: Object.keys(generationFields) },
  { title: "Agent", fields: Object.keys(agentFields) },
  { title: "Tools", fields: Object.keys(toolFields) },
  { title: "Sandbox", fields: Object.keys(sandboxFields) },
  { title: "Data set", fields: Object.keys(datasetFields) },
  { title: "Evaluation", fields: Object.keys(evaluationFields) },
  { title: "Training", fields: Object.keys(trainingFields) },
  { title: "Records", fields: Object.keys(recordFields) },
  { title: "Sandbox pool", fields: Object.keys(poolFields) },
];
