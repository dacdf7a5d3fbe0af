/**
 * Everything that one run writes as it goes: the journal, the bulk file beside it and, in `process`, the groups. Opened
 * again after a crash it knows what was finished and has cut what was torn, so that a line is never written twice.
 */
import { mkdir, open } from "node:fs/promises";
import { dirname, extname, join, resolve } from "node:path";
import { isErrno, LachesisError, logger } from "../core/index.ts";
import { AppendFile, AppendLog } from "./append-log.ts";
import { dropLost, dropStopped, type JournalState, readJournal } from "./journal.ts";
import { LineReader } from "./json-lines.ts";
import type { GroupRecord, Place, RetryRecord, RolloutRecord, RunMark } from "./record.ts";
import { type RunDirectory, writeRunFile } from "./run-directory.ts";

export const BULK_FILES = { process: "rollouts.jsonl", evaluate: "samples.jsonl", serve: "rollouts.jsonl" } as const;

export class Recorder {
  /** What earlier processes finished, and what this one adds. */
  readonly state: JournalState;
  readonly bulkPath: string;
  readonly groupsPath: string | null;
  readonly #log: AppendLog;
  readonly #journal: AppendFile;
  readonly #bulk: AppendFile;
  readonly #groups: AppendFile | null;
  readonly #reader: LineReader;
  #groupReader: LineReader | null = null;

  private constructor(
    state: JournalState,
    files: { journal: AppendFile; bulk: AppendFile; groups: AppendFile | null },
  ) {
    this.state = state;
    this.#journal = files.journal;
    this.#bulk = files.bulk;
    this.#groups = files.groups;
    this.bulkPath = files.bulk.path;
    this.groupsPath = files.groups?.path ?? null;
    this.#log = new AppendLog(files.journal);
    this.#reader = new LineReader(files.bulk.path);
  }

  /** @param groups Where groups go; null: this run writes none. */
  static async open(run: RunDirectory, groups: string | null): Promise<Recorder> {
    const journalPath = join(run.path, "journal.jsonl");
    const bulkPath = join(run.path, BULK_FILES[run.file.mode]);
    const state = await readJournal(journalPath);
    dropLost(state, { bulk: bulkPath, groups });
    dropStopped(state);
    if (state.damaged > 0) {
      logger.warn(
        { journal: journalPath, lines: state.damaged },
        "lines of the journal cannot be read; their rollouts run again",
      );
    }
    const recorder = new Recorder(state, {
      journal: await AppendFile.open(journalPath, state.bytes),
      bulk: await AppendFile.open(bulkPath, state.bulkBytes),
      groups: groups === null ? null : await AppendFile.open(groups, state.groupBytes),
    });
    await recorder.mark({ type: run.resumed ? "resume" : "run", at: new Date().toISOString(), pid: process.pid });
    return recorder;
  }

  /** Why nothing more can be recorded, or null. */
  get failure() {
    return this.#log.failure;
  }

  /** Records a finished rollout with its bulk line. Resolves when both are on the disk. */
  async rollout(record: RolloutRecord, line: object): Promise<RolloutRecord> {
    const place = await this.#log.record({
      bulk: { file: this.#bulk, line: JSON.stringify(line) },
      journal: (found) => ({ ...record, place: found }),
    });
    const recorded = place ? { ...record, place } : record;
    this.state.rollouts.set(record.rollout_id, recorded);
    return recorded;
  }

  async retry(record: RetryRecord): Promise<void> {
    this.state.retries.push(record);
    await this.#log.record({ journal: () => record });
  }

  /** @param line The group as it is written; null where it is filtered. */
  async group(record: GroupRecord, line: string | null): Promise<void> {
    const bulk = line !== null && this.#groups ? { file: this.#groups, line } : undefined;
    const place = await this.#log.record({
      ...(bulk && { bulk }),
      journal: (found) => (found ? { ...record, place: found } : record),
    });
    this.state.groups.set(record.group_id, place ? { ...record, place } : record);
  }

  /** The line of a written group, as it stands in the groups file. */
  async groupLine(place: Place): Promise<string> {
    if (this.groupsPath === null) throw new LachesisError("internal", "This run writes no groups.");
    this.#groupReader ??= new LineReader(this.groupsPath);
    return this.#groupReader.read(place);
  }

  async mark(mark: RunMark): Promise<void> {
    await this.#log.record({ journal: () => mark });
  }

  /** The bulk line of a recorded rollout, parsed. */
  async bulkOf(place: Place): Promise<unknown> {
    return JSON.parse(await this.#reader.read(place));
  }

  async close(): Promise<void> {
    await this.#log.settled();
    await this.#reader.close();
    await this.#groupReader?.close();
    for (const file of [this.#journal, this.#bulk, this.#groups]) await file?.close();
  }
}

/**
 * Where the run's groups are written: its own directory, or the path that the user wants. A file that is there already
 * and is not this run's own is left alone, and `_1`, `_2`, … beside it taken.
 */
export async function groupsPathOf(run: RunDirectory, wanted: string | null): Promise<string> {
  if (run.file.groups_path) return run.file.groups_path;
  if (wanted === null) return join(run.path, "groups.jsonl");
  const path = await claimFresh(resolve(wanted));
  run.file.groups_path = path;
  await writeRunFile(run.path, run.file);
  return path;
}

async function claimFresh(wanted: string): Promise<string> {
  await mkdir(dirname(wanted), { recursive: true });
  const ending = extname(wanted);
  const stem = wanted.slice(0, wanted.length - ending.length);
  for (let number = 0; ; number++) {
    const path = number === 0 ? wanted : `${stem}_${number}${ending}`;
    try {
      await (await open(path, "wx")).close();
      return path;
    } catch (error) {
      if (!isErrno(error) || error.code !== "EEXIST") throw error;
    }
  }
}
