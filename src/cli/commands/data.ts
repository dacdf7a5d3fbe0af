/** `lachesis data sft|dpo`: training rows out of scored groups, from files or from a trajectory API. */
import type { Command } from "commander";
import { LachesisError, nearestName } from "../../core/index.ts";
import type {
  Decode,
  RowFile,
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
  maxRows?: string;
}

const KINDS = ["sft", "dpo"] as const;

export function register(program: Command): void {
  program
    .command("data")
    .description("training rows out of scored groups")
    .argument("<kind>", "sft or dpo")
    .argument("[source...]", "run directories, or files of groups or samples")
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
    .option("--max-rows <number>", "rows in all: files are cut there, an API is left with the batch that reaches it")
    .action(run);
}

async function run(kind: string, sources: string[], flags: DataFlags): Promise<void> {
  const rowsKind = oneOf("data", kind, KINDS);
  const training = await import("../../datasets/training/index.ts");
  const format: RowFormat = oneOf("--format", flags.format, training.ROW_FORMATS);
  const select: Selection | null =
    flags.select === undefined ? null : oneOf("--select", flags.select, training.SELECTIONS);
  const passes = flags.filter === undefined ? null : training.parseFilter(flags.filter);
  const maxPerItem = flags.maxPerItem === undefined ? null : count("--max-per-item", flags.maxPerItem);
  const margin = flags.margin === undefined ? null : number("--margin", flags.margin, 0);
  const options: SelectOptions = { select, maxPerItem, allowNegative: flags.allowNegative ?? false, margin };
  const maxRows = flags.maxRows === undefined ? null : count("--max-rows", flags.maxRows);
  const batchSize = count("--batch-size", flags.batchSize);
  const batches = flags.batches === undefined ? null : count("--batches", flags.batches);
  if ((sources.length === 0) === (flags.api === undefined)) {
    throw new LachesisError("config_invalid", "data: name run directories or files, or give --api URL (one of them).");
  }
  const decode = flags.tokenizer === undefined ? null : await decoder(flags.tokenizer);
  const make = rowsKind === "sft" ? training.sftRows : training.dpoRows;
  const rowsOf = (group: TrainingGroup, rewards: readonly number[]): TrainingRow[] | null =>
    group.rollouts.length === 0 || (passes && !passes(rewards)) ? null : make(group, options, decode);
  const file: RowFile = { path: flags.out, format, kind: rowsKind, append: flags.append ?? false };
  let counts: { groups: number; taken: number; rows: number };
  if (flags.api === undefined) counts = await fromFiles(sources, file, { rowsOf, maxPerItem, maxRows });
  else {
    const { collectFromApi } = await import("./data-from-api.ts");
    counts = await collectFromApi(file, {
      url: flags.api,
      batchSize,
      batches,
      rows: maxRows,
      maxPerItem,
      rowsOf: (group) => rowsOf(group, rewardsOf(group)),
    });
  }
  process.stdout.write(`${counts.rows} rows of ${counts.taken} of ${counts.groups} groups → ${flags.out}\n`);
}

interface FromFiles {
  rowsOf(group: TrainingGroup, rewards: readonly number[]): TrainingRow[] | null;
  maxPerItem: number | null;
  maxRows: number | null;
}

/** An item is judged over its rollouts in one source: another run may mean something else by the same id. */
async function fromFiles(sources: readonly string[], rows: RowFile, { rowsOf, maxPerItem, maxRows }: FromFiles) {
  const { groupsFile, judgedGroups, openRows } = await import("../../datasets/training/index.ts");
  const files = await Promise.all(sources.map(groupsFile));
  const counts = { groups: 0, taken: 0, rows: 0 };
  const writer = await openRows(rows);
  try {
    for (const file of files) {
      const limited = perItem(maxPerItem);
      for await (const { group, rewards } of judgedGroups(file)) {
        counts.groups++;
        const given = rowsOf(group, rewards);
        if (given === null) continue;
        counts.taken++;
        for (const row of limited(group.itemId, given)) {
          if (counts.rows === maxRows) break;
          await writer.write(row);
          counts.rows++;
        }
      }
    }
    await writer.close();
  } catch (error) {
    await writer.discard();
    throw error;
  }
  return counts;
}

function rewardsOf({ rollouts }: TrainingGroup): number[] {
  return rollouts.map(({ reward }) => reward);
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

function count(flag: string, text: string): number {
  if (Number.isSafeInteger(number(flag, text, 1))) return Number(text);
  throw new LachesisError("config_invalid", `${flag} is "${text}"; a whole number is needed.`);
}

function number(flag: string, text: string, least = Number.NEGATIVE_INFINITY): number {
  const value = Number(text);
  if (text.trim() !== "" && Number.isFinite(value) && value >= least) return value;
  throw new LachesisError(
    "config_invalid",
    `${flag} is "${text}"; a number${Number.isFinite(least) ? ` of at least ${least}` : ""} is needed.`,
  );
}
