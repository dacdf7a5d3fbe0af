/**
 * terminal-test: "write this text into that file", the smallest task that needs a tool, a sandbox and a verifier. An item
 * is `{prompt, verify_path, expected_content}`; the reward is 1 when the file holds exactly what was asked for, after
 * trimming both, and 0 otherwise.
 */
import {
  AgentEnv,
  type AgentResult,
  deriveSeed,
  LachesisError,
  loadDataset,
  type MetricRow,
  promptOf,
  type ToolContext,
  z,
} from "lachesis";
import { REFERENCE_EVALUATION, REFERENCE_TASKS } from "./reference-tasks.ts";
import { generateTasks } from "./tasks.ts";

const Config = AgentEnv.Config.extend({
  partial_credit: z
    .number()
    .min(0)
    .max(1)
    .default(0)
    .describe("Reward for a file that contains the text among other things; 0 does not invite padding"),
  unseen_words: z
    .boolean()
    .default(false)
    .describe("Evaluate on words that are in no training data of the embedded model"),
});

export interface Item {
  id?: string;
  kind?: string;
  prompt: string;
  verify_path: string;
  expected_content: string;
}

/** Tasks that are generated at a time. */
const CHUNK = 200;

export default class TerminalTestEnv extends AgentEnv<typeof Config, Item> {
  static override name = "terminal-test";
  static override Config = Config;

  static override configInit() {
    return {
      env: {
        enabled_toolsets: ["terminal", "file"],
        max_agent_turns: 10,
        max_token_length: 512,
        group_size: 4,
        total_steps: 10,
      },
      openai: [{ server_type: "embedded" }],
    };
  }

  #train: Item[] = [];
  #next = 0;
  #chunks = 0;
  #finished = 0;

  override async setup() {
    const { dataset_name, eval_size, unseen_words } = this.config;
    if (dataset_name === null) {
      this.#train = [...REFERENCE_TASKS];
      const words = unseen_words ? "unseen" : "known";
      const generated = generateTasks({ seed: this.seed, count: eval_size, split: "eval", words });
      const reference = unseen_words ? [] : REFERENCE_EVALUATION;
      this.evalItems = [...reference, ...generated].slice(0, eval_size);
      return;
    }
    const rows = await this.#rows(dataset_name);
    this.evalItems = rows.slice(0, eval_size);
    this.#train = this.#trainingRows(rows, dataset_name);
  }

  /** What is trained on is not what is measured on: `serve` takes the other rows only, `process` takes them first. */
  #trainingRows(rows: readonly Item[], name: string): Item[] {
    const { eval_size, total_steps } = this.config;
    const rest = rows.slice(eval_size);
    if (rest.length === 0 || eval_size === 0) return [...rows];
    if (this.mode === "serve") return rest;
    const isEnough = total_steps !== -1 && total_steps <= rest.length;
    if (this.mode === "process" && !isEnough) {
      process.stderr.write(
        `${name} has ${rest.length} rows beside the ${eval_size} that \`evaluate\` takes (env.eval_size). After them those are taken, too: do not train on their groups and then measure on them.\n`,
      );
    }
    return [...rest, ...rows.slice(0, eval_size)];
  }

  /** Built-in tasks never end; the rows of a data set come again after the last. */
  override async getNextItem(): Promise<Item> {
    const place = this.#next++;
    if (this.config.dataset_name !== null) return this.#train[place % this.#train.length]!;
    while (place >= this.#train.length) {
      const seed = deriveSeed(this.seed, "terminal-test", this.#chunks++);
      this.#train.push(...generateTasks({ seed, count: CHUNK, split: "train" }));
    }
    return this.#train[place]!;
  }

  override formatPrompt(item: Item) {
    return item.prompt;
  }

  override async computeReward(item: Item, result: AgentResult, ctx: ToolContext) {
    // Where no tool ran there is no file, and no need of a sandbox to look for it.
    const acted = result.messages.some(({ role }) => role === "tool");
    const found = acted ? await contentOf(item.verify_path, ctx) : null;
    const wanted = item.expected_content.trim();
    const exact = found?.trim() === wanted;
    const partial = !exact && found !== null && wanted !== "" && found.includes(wanted);
    const reward = exact ? 1 : partial ? this.config.partial_credit : 0;
    this.metric("avg_reward", reward);
    this.metric("accuracy", exact ? 1 : 0);
    this.metric("partial_match_rate", partial ? 1 : 0);
    return reward;
  }

  override async logMetrics(metrics: MetricRow) {
    if (this.mode === "evaluate") return;
    this.#finished += Number(metrics["train/rollouts_scored"] ?? 0);
    metrics["train/total_rollouts"] = this.#finished;
  }

  async #rows(name: string): Promise<Item[]> {
    const { dataset_config, dataset_split, dataset_revision, prompt_field } = this.config;
    const request = { name, config: dataset_config, split: dataset_split, revision: dataset_revision };
    const rows: Item[] = [];
    for await (const entry of (await loadDataset(request)).entries()) {
      const { row, place } = entry;
      const prompt = promptOf(entry, prompt_field);
      rows.push({
        ...row,
        prompt,
        verify_path: text(row, "verify_path", place),
        expected_content: text(row, "expected_content", place),
      });
    }
    if (rows.length === 0) throw new LachesisError("data_invalid", `${name} has no rows.`);
    return rows;
  }
}

/** The file's text, or null where there is no readable file: that is the agent's doing, not an error of ours. */
async function contentOf(path: string, ctx: ToolContext): Promise<string | null> {
  try {
    return (await ctx.readFile(path)).content;
  } catch (error) {
    if (error instanceof LachesisError && (error.code === "sandbox_io" || error.code === "not_found")) return null;
    throw error;
  }
}

function text(row: Record<string, unknown>, field: string, place: string): string {
  const value = row[field];
  if (typeof value === "string") return value;
  if (typeof value === "number") return String(value);
  throw new LachesisError("data_invalid", `${place}: the field "${field}" must be a text.`);
}

TerminalTestEnv.cli(import.meta);
