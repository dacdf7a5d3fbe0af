/**
 * Rows that arrive batch by batch and must survive whatever happens to the process: a batch's rows are on disk, together
 * with the batch's name, before the batch counts as taken. A collection that was cut short is found and gone on with.
 * The rows get their final file and form at the end.
 *
 * Layout: `OUT.collected.jsonl` (rows), `OUT.collected.json` (how many bytes of it count, and the last batch).
 */
import { existsSync } from "node:fs";
import { type FileHandle, open, readFile, rename, rm, stat } from "node:fs/promises";
import { hostname } from "node:os";
import { isErrno, isObject, LachesisError, processStart } from "../../core/index.ts";
import { linesOfFile } from "../text-file.ts";
import { cannotWrite, makeFolderOf, openRows, type RowFile, refuseToReplace } from "./row-writer.ts";
import type { TrainingRow } from "./rows.ts";

export interface CollectedBatch {
  /** The same however often it is delivered. */
  name: string;
  /** With which its receipt is sent; null where none is wanted. */
  lease: string | null;
}

interface Mark {
  /** What is collected; a collection of something else must not be mixed in. */
  of: string;
  /** Bytes of the rows' file that belong to whole batches. */
  bytes: number;
  rows: number;
  batches: number;
  /** The last batch. It may be delivered again: its receipt is sent after its rows are here. */
  last: CollectedBatch | null;
  /** Bytes of the final file before; null: there was none. */
  before: number | null;
  /** Bytes of the final file once it is written and only its name is missing; null until then. */
  after: number | null;
  /** Who works on it, or did last: two at once would write into each other's rows. */
  owner: Owner | null;
}

interface Owner {
  pid: number;
  host: string;
  /** When the process started; a number that was given out again is another process. */
  started: string | null;
}

export class Collection {
  readonly #file: RowFile;
  readonly #handle: FileHandle;
  #mark: Mark;
  #closed = false;
  /** Rows of each item. */
  readonly items = new Map<string, number>();

  private constructor(file: RowFile, handle: FileHandle, mark: Mark) {
    this.#file = file;
    this.#handle = handle;
    this.#mark = mark;
  }

  /** Throws `conflict` where the final file or an earlier collection stands in the way. */
  static async open(file: RowFile): Promise<Collection> {
    const paths = pathsOf(file);
    const before = existsSync(file.path) ? (await stat(file.path)).size : null;
    const of = `${file.kind} ${file.format}`;
    let earlier = existsSync(paths.rows) ? await readMark(paths.mark) : null;
    if (earlier?.owner && isAtWork(earlier.owner)) {
      throw new LachesisError(
        "conflict",
        `${paths.rows} is in use by process ${earlier.owner.pid}; name another --out.`,
      );
    }
    if (earlier && before !== null && before === earlier.after) {
      // The process died when the final file had its name already.
      await removeFiles(paths);
      earlier = null;
    }
    if (!earlier) refuseToReplace(file);
    else if (earlier.of !== of || earlier.before !== before) {
      const why = earlier.of === of ? `${file.path} has changed since` : `they are ${earlier.of}`;
      throw new LachesisError(
        "conflict",
        `Rows wait in ${paths.rows}, but ${why}. Move that file away, or name another --out.`,
      );
    }
    const owner = { pid: process.pid, host: hostname(), started: processStart(process.pid) };
    const fresh = { of, bytes: 0, rows: 0, batches: 0, last: null, before, after: null };
    const mark = { ...(earlier ?? fresh), owner };
    await makeFolderOf(paths.rows);
    const handle = await open(paths.rows, "a+");
    // Rows of a batch that was not whole when the process died: it is delivered again.
    await handle.truncate(mark.bytes);
    const collection = new Collection(file, handle, mark);
    await collection.#write(mark);
    if (earlier) for await (const row of collection.#rows()) collection.#count(row);
    return collection;
  }

  get rows(): number {
    return this.#mark.rows;
  }

  /** Batches of all processes that worked on it. */
  get batches(): number {
    return this.#mark.batches;
  }

  /** The batch that was added last; null where there is none yet. */
  get last(): CollectedBatch | null {
    return this.#mark.last;
  }

  /** Settles when the rows are safe on disk; only then the batch may be acknowledged. */
  async add(batch: CollectedBatch, rows: readonly TrainingRow[]): Promise<void> {
    const text = rows.map((row) => `${JSON.stringify(row)}\n`).join("");
    try {
      await this.#handle.appendFile(text);
      await this.#handle.datasync();
    } catch (error) {
      throw cannotWrite(pathsOf(this.#file).rows, error);
    }
    const { bytes, rows: had, batches } = this.#mark;
    await this.#write({
      ...this.#mark,
      bytes: bytes + Buffer.byteLength(text),
      rows: had + rows.length,
      batches: batches + 1,
      last: { name: batch.name, lease: batch.lease },
      after: null,
    });
    for (const row of rows) this.#count(row);
  }

  /** Writes the final file and removes the collection. */
  async finish(): Promise<void> {
    const writer = await openRows(this.#file);
    try {
      for await (const row of this.#rows()) await writer.write(row);
      await writer.close((bytes) => this.#write({ ...this.#mark, after: bytes }));
    } catch (error) {
      await writer.discard();
      throw error;
    }
    await this.close();
    await removeFiles(pathsOf(this.#file));
  }

  /** Leaves everything as it is, for another time. Closing twice is no fault. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#handle.close();
  }

  async *#rows(): AsyncGenerator<TrainingRow> {
    for await (const { text } of linesOfFile(pathsOf(this.#file).rows)) yield JSON.parse(text) as TrainingRow;
  }

  #count({ item_id }: TrainingRow): void {
    this.items.set(item_id, (this.items.get(item_id) ?? 0) + 1);
  }

  async #write(mark: Mark): Promise<void> {
    const { mark: path } = pathsOf(this.#file);
    try {
      await replaceFile(path, `${JSON.stringify(mark)}\n`);
    } catch (error) {
      throw cannotWrite(path, error);
    }
    this.#mark = mark;
  }
}

function pathsOf({ path }: RowFile): { rows: string; mark: string } {
  return { rows: `${path}.collected.jsonl`, mark: `${path}.collected.json` };
}

async function replaceFile(path: string, text: string): Promise<void> {
  const file = await open(`${path}.tmp`, "w");
  try {
    await file.writeFile(text);
    await file.datasync();
  } finally {
    await file.close();
  }
  await rename(`${path}.tmp`, path);
}

/** True for another process of this machine that is alive. */
function isAtWork({ pid, host, started }: Owner): boolean {
  if (host !== hostname() || pid === process.pid) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (isErrno(error) && error.code === "ESRCH") return false;
  }
  const now = processStart(pid);
  return now !== "gone" && (now === null || started === null || now === started);
}

async function removeFiles({ rows, mark }: { rows: string; mark: string }): Promise<void> {
  await rm(rows);
  await rm(mark, { force: true });
}

/** null: there is none, so no batch was acknowledged. */
async function readMark(path: string): Promise<Mark | null> {
  if (!existsSync(path)) return null;
  const mark: unknown = JSON.parse(await readFile(path, "utf8"));
  const whole = isObject(mark) && ["bytes", "rows", "batches"].every((field) => Number.isSafeInteger(mark[field]));
  if (whole && typeof mark.of === "string") return mark as unknown as Mark;
  throw new LachesisError("data_invalid", `${path} is damaged.`);
}
