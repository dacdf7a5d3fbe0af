/**
 * `lachesis data --api URL`: rows out of the batches of a trajectory API, as its trainer. A batch is acknowledged when its
 * rows are on disk; whatever is killed in between, each batch gives its rows once.
 */
import { LachesisError } from "../../core/index.ts";
import type { Collection, RowFile, TrainingGroup, TrainingRow } from "../../datasets/training/index.ts";
import type { TakenBatch } from "../../trajectory/index.ts";

export interface FromApi {
  url: string;
  /** Sequences per batch; what the run has already is not changed. */
  batchSize: number;
  /** Batches after which it is over, and rows; null is no limit. */
  batches: number | null;
  rows: number | null;
  maxPerItem: number | null;
  /** Rows of a group; null: the filter does not take it. */
  rowsOf(group: TrainingGroup): TrainingRow[] | null;
}

export interface Collected {
  groups: number;
  taken: number;
  /** In the file, with those of earlier processes. */
  rows: number;
}

/** Rows are written in a moment; after a crash the batch in hand comes back so soon. */
const LEASE_MS = 30_000;

/** Runs until there is enough or until SIGINT or SIGTERM, then gives the file its name. */
export async function collectFromApi(file: RowFile, options: FromApi): Promise<Collected> {
  const { Collection } = await import("../../datasets/training/index.ts");
  const collection = await Collection.open(file);
  if (collection.batches > 0) say(`Going on with ${collection.rows} rows of ${collection.batches} batches.`);
  const stop = new AbortController();
  const end = () => stop.abort();
  process.once("SIGINT", end);
  process.once("SIGTERM", end);
  try {
    const counts = await collect(collection, options, stop.signal);
    await collection.finish();
    return { ...counts, rows: collection.rows };
  } finally {
    await collection.close();
    process.removeListener("SIGINT", end);
    process.removeListener("SIGTERM", end);
  }
}

/** Throws `api_unavailable` when it was stopped before the API could be told of the last batch. */
async function collect(collection: Collection, options: FromApi, signal: AbortSignal) {
  const { takeBatches } = await import("../../trajectory/index.ts");
  const most = (limit: number | null) => limit ?? Number.POSITIVE_INFINITY;
  const counts = { groups: 0, taken: 0 };
  const batches = takeBatches(
    {
      url: options.url,
      token: process.env.LACHESIS_API_TOKEN ?? null,
      trainer: "lachesis-data",
      leaseMs: LEASE_MS,
      registration: registrationOf(options),
      unsettled: collection.last?.lease ?? null,
      // A batch that nobody wants any more stays where it is.
      wanted: () => collection.batches < most(options.batches) && collection.rows < most(options.rows),
      say,
    },
    signal,
  );
  for await (const batch of batches) {
    if (collection.last?.name !== batch.name) {
      const perGroup = await rowsOfBatch(batch, options);
      counts.groups += perGroup.length;
      counts.taken += perGroup.filter((rows) => rows !== null).length;
      await collection.add(
        batch,
        withinLimit(
          collection,
          perGroup.flatMap((rows) => rows ?? []),
          most(options.maxPerItem),
        ),
      );
    }
    if (!(await batch.ack()) && signal.aborted) {
      const kept = `The ${collection.rows} rows are kept; the same command goes on.`;
      throw new LachesisError(
        "api_unavailable",
        `The trajectory API could not be told that the last batch was taken. ${kept}`,
      );
    }
  }
  return counts;
}

async function rowsOfBatch({ name, groups }: TakenBatch, { url, rowsOf }: FromApi): Promise<(TrainingRow[] | null)[]> {
  const { trainingGroup } = await import("../../datasets/training/index.ts");
  return groups.map((value, index) => {
    const id = `${name}/${index + 1}`;
    return rowsOf(trainingGroup(value, `${url} batch ${id}`, id));
  });
}

/** Items may come in several groups, and in several batches. */
function withinLimit(collection: Collection, rows: readonly TrainingRow[], most: number): TrainingRow[] {
  const had = new Map<string, number>();
  return rows.filter(({ item_id }) => {
    const before = had.get(item_id) ?? collection.items.get(item_id) ?? 0;
    had.set(item_id, before + 1);
    return before < most;
  });
}

function registrationOf({ batchSize, batches }: FromApi) {
  return {
    wandb_group: "lachesis-data",
    wandb_project: "lachesis-data",
    batch_size: batchSize,
    max_token_len: -1,
    checkpoint_dir: "",
    save_checkpoint_interval: 0,
    starting_step: 0,
    num_steps: batches ?? 2 ** 31 - 1,
  };
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}
