/** `lachesis data sft|dpo`: training rows out of scored groups, from files or from a trajectory API. */
import type { Command } from "commander";
import { LachesisError, nearestName } from "../../core/index.ts";
import type {
  Decode,
  RowFormat,
  Selection,
  SelectOptions,
  TrainingGroup,
  TrainingRow,
} from "../../datasets/training/index.ts";

interface DataFlags {
  api?: string;
  out: string;
  format: string;
  filter?: string;
  select?: string;
  maxPerItem?: string;
  margin?: string;
  allowNegative?: boolean;
  append?: boolean;
  tokenizer?: string;
  batchSize: string;
  batches?: string;
}

const KINDS = ["sft", "dpo"] as const;

export function register(program: Command): void {
  program
    .command("data")
    .description("training rows out of scored groups")
    .argument("<kind>", "sft or dpo")
    .argument("[source]", "a run directory, or a file of groups or samples")
    .option("--api <url>", "take groups from a trajectory API, as its trainer")
    .requiredOption("--out <file>", "where the rows go")
    .option("--format <name>", "jsonl, sharegpt or parquet", "jsonl")
    .option("--filter <expression>", 'items to take: "0 < avg < 1", "pass@4 >= 0.5", best, worst, solved, n')
    .option("--select <name>", "of an item's rollouts: correct, best or shortest (of the correct)")
    .option("--max-per-item <number>", "rows per item at most")
    .option("--margin <number>", "sft: reward above the group's lowest; dpo: reward between the two of a pair")
    .option("--allow-negative", "take rollouts with a reward of 0 or less, too")
    .option("--tokenizer <folder>", "write {prefix, completion} texts of the tokens instead of messages")
    .option("--append", "add to a file that exists")
    .option("--batch-size <number>", "with --api: sequences per batch", "32")
    .option("--batches <number>", "with --api: stop after so many; default: at Ctrl-C")
    .action(run);
}

async function run(kind: string, source: string | undefined, flags: DataFlags): Promise<void> {
  const rowsKind = oneOf("data", kind, KINDS);
  const training = await import("../../datasets/training/index.ts");
  const format: RowFormat = oneOf("--format", flags.format, training.ROW_FORMATS);
  const select: Selection | null =
    flags.select === undefined ? null : oneOf("--select", flags.select, training.SELECTIONS);
  const passes = flags.filter === undefined ? null : training.parseFilter(flags.filter);
  const options: SelectOptions = {
    select,
    maxPerItem: flags.maxPerItem === undefined ? null : number("--max-per-item", flags.maxPerItem, 1),
    allowNegative: flags.allowNegative ?? false,
    margin: flags.margin === undefined ? null : number("--margin", flags.margin),
  };
  if ((source === undefined) === (flags.api === undefined)) {
    throw new LachesisError("config_invalid", "data: name a run directory or a file, or give --api URL (one of them).");
  }
  const decode = flags.tokenizer === undefined ? null : await decoder(flags.tokenizer);
  const rowsOf = rowsKind === "sft" ? training.sftRows : training.dpoRows;
  const limited = perItem(options.maxPerItem);
  const counts = { groups: 0, taken: 0, rows: 0 };
  const writer = await training.openRows(flags.out, format, flags.append ?? false);
  try {
    for await (const { group, rewards } of source === undefined ? fromApi(flags) : fromFile(source)) {
      counts.groups++;
      if (group.rollouts.length === 0 || (passes && !passes(rewards))) continue;
      counts.taken++;
      for (const row of limited(group.itemId, rowsOf(group, options, decode))) {
        await writer.write(row);
        counts.rows++;
      }
    }
    await writer.close();
  } catch (error) {
    await writer.discard();
    throw error;
  }
  process.stdout.write(`${counts.rows} rows of ${counts.taken} of ${counts.groups} groups → ${flags.out}\n`);
}

/** Keeps an item's rows below the limit: it may come in several groups. */
function perItem(most: number | null): (item: string, rows: TrainingRow[]) => TrainingRow[] {
  if (most === null) return (_, rows) => rows;
  const given = new Map<string, number>();
  return (item, rows) => {
    const before = given.get(item) ?? 0;
    const left = rows.slice(0, Math.max(0, most - before));
    given.set(item, before + left.length);
    return left;
  };
}

interface JudgedGroup {
  group: TrainingGroup;
  /** Of all scored rollouts of the group's item. */
  rewards: number[];
}

/** Twice over the file: an item's rollouts may stand in several groups. */
async function* fromFile(source: string): AsyncGenerator<JudgedGroup> {
  const { groupsFile, groupsOf } = await import("../../datasets/training/index.ts");
  const file = await groupsFile(source);
  const rewards = new Map<string, number[]>();
  const samples = new Map<string, TrainingGroup>();
  for await (const group of groupsOf(file)) {
    const known = rewards.get(group.itemId) ?? [];
    known.push(...group.rollouts.map(({ reward }) => reward));
    rewards.set(group.itemId, known);
    // Lines of an evaluation are single attempts: an item's attempts together are its group.
    const together = samples.get(group.groupId);
    if (together) together.rollouts.push(...group.rollouts);
    else if (file.endsWith("samples.jsonl")) samples.set(group.groupId, group);
  }
  if (samples.size > 0) {
    for (const group of samples.values()) yield { group, rewards: rewards.get(group.itemId)! };
    return;
  }
  for await (const group of groupsOf(file)) yield { group, rewards: rewards.get(group.itemId)! };
}

async function* fromApi(flags: DataFlags): AsyncGenerator<JudgedGroup> {
  const [{ takeBatches }, { trainingGroup }] = await Promise.all([
    import("../../trajectory/index.ts"),
    import("../../datasets/training/index.ts"),
  ]);
  const most = flags.batches === undefined ? Number.POSITIVE_INFINITY : number("--batches", flags.batches, 1);
  const stop = new AbortController();
  const end = () => stop.abort();
  process.once("SIGINT", end);
  process.once("SIGTERM", end);
  const registration = {
    wandb_group: "lachesis-data",
    wandb_project: "lachesis-data",
    batch_size: number("--batch-size", flags.batchSize, 1),
    max_token_len: -1,
    checkpoint_dir: "",
    save_checkpoint_interval: 0,
    starting_step: 0,
    num_steps: Number.isFinite(most) ? most : 2 ** 31 - 1,
  };
  const api = { url: flags.api!, token: process.env.LACHESIS_API_TOKEN ?? null, registration };
  let batches = 0;
  let groups = 0;
  for await (const batch of takeBatches(api, stop.signal)) {
    for (const value of batch) {
      const group = trainingGroup(value, `${flags.api} batch ${batches + 1}`, ++groups);
      yield { group, rewards: group.rollouts.map(({ reward }) => reward) };
    }
    if (++batches >= most) return;
  }
}

async function decoder(folder: string): Promise<Decode> {
  const { loadTokenizer } = await import("../../tokens/index.ts");
  const tokenizer = await loadTokenizer(folder);
  return (tokens) => tokenizer.decode(tokens);
}

function oneOf<Name extends string>(what: string, value: string, names: readonly Name[]): Name {
  const known = names.find((name) => name === value);
  if (known) return known;
  const nearest = nearestName(value, [...names]);
  const hint = nearest ? ` Did you mean ${nearest}?` : "";
  throw new LachesisError("config_invalid", `${what}: "${value}" is not one of ${names.join(", ")}.${hint}`);
}

function number(flag: string, text: string, least = Number.NEGATIVE_INFINITY): number {
  const value = Number(text);
  if (text.trim() !== "" && Number.isFinite(value) && value >= least) return value;
  throw new LachesisError(
    "config_invalid",
    `${flag} is "${text}"; a number${Number.isFinite(least) ? ` of at least ${least}` : ""} is needed.`,
  );
}
