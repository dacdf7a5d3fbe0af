/**
 * What the report shows, read from a run directory. Numbers come from all rollouts; conversations are read only as far
 * as a budget of bytes goes, those that were not scored first, because a report must open in a browser.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { isErrno, isObject } from "../../core/index.ts";
import { readJournal } from "../journal.ts";
import { LineReader } from "../json-lines.ts";
import type { GroupRecord, RolloutRecord, TranscriptLine } from "../record.ts";
import { BULK_FILES } from "../recorder.ts";
import { type RunFile, readRunFile } from "../run-directory.ts";

export interface ReportRollout {
  record: RolloutRecord;
  /** null where the report left it out. */
  transcript: Pick<TranscriptLine, "messages" | "turns"> | null;
}

export interface ReportGroup {
  id: string;
  itemId: string;
  /** null in evaluations, and where the group is not finished. */
  record: GroupRecord | null;
  rollouts: ReportRollout[];
}

export interface ReportData {
  run: RunFile;
  groups: ReportGroup[];
  /** Every rollout, shown or not. */
  rollouts: RolloutRecord[];
  /** Conversations that were left out. */
  omitted: number;
  /** The metrics of an evaluation; null without. */
  metrics: Record<string, unknown> | null;
}

export interface ReportLimits {
  /** Bytes of conversations. */
  bytes: number;
  /** Groups, or items of an evaluation, that are listed. */
  groups: number;
}

export const DEFAULT_LIMITS: ReportLimits = { bytes: 12 << 20, groups: 400 };

/** null where the directory holds no run. */
export async function readRun(directory: string, limits: ReportLimits): Promise<ReportData | null> {
  const run = await readRunFile(directory);
  if (!run) return null;
  const state = await readJournal(join(directory, "journal.jsonl"));
  const rollouts = [...state.rollouts.values()].map((record) => rescored(record, state.groups.get(record.group_id)));
  const chosen = chooseConversations(rollouts, limits.bytes);
  const listed = listedGroups(rollouts, limits.groups);
  const reader = new LineReader(join(directory, BULK_FILES[run.mode]));
  const groups: ReportGroup[] = [];
  try {
    for (const [id, members] of listed) {
      const shown: ReportRollout[] = [];
      for (const record of members.sort((a, b) => a.member - b.member)) {
        const wanted = chosen.has(record.rollout_id) && record.place;
        shown.push({ record, transcript: wanted ? parseTranscript(await reader.read(record.place!)) : null });
      }
      groups.push({ id, itemId: members[0]!.item_id, record: state.groups.get(id) ?? null, rollouts: shown });
    }
  } finally {
    await reader.close();
  }
  const shown = groups.flatMap((group) => group.rollouts).filter(({ transcript }) => transcript !== null).length;
  return { run, groups, rollouts, omitted: rollouts.length - shown, metrics: await readMetrics(directory) };
}

function rescored(record: RolloutRecord, group: GroupRecord | undefined): RolloutRecord {
  const outcome = group?.outcomes?.[record.member];
  return outcome ? { ...record, outcome } : record;
}

/** Ids of the rollouts whose conversations fit: failures first, then an even selection of the others. */
function chooseConversations(rollouts: readonly RolloutRecord[], budget: number): Set<string> {
  const failed = rollouts.filter(({ outcome }) => outcome.kind !== "scored");
  const scored = rollouts.filter(({ outcome }) => outcome.kind === "scored");
  const chosen = new Set<string>();
  let left = budget;
  const take = (records: readonly RolloutRecord[], floor: number) => {
    for (const record of records) {
      const bytes = record.place?.bytes ?? 0;
      if (left - bytes < floor) continue;
      left -= bytes;
      chosen.add(record.rollout_id);
    }
  };
  take(failed, budget / 2);
  take(spread(scored), 0);
  return chosen;
}

/** The values in an order whose every beginning is spread evenly over the whole: by the bits of their places, reversed. */
function spread<T>(values: readonly T[]): T[] {
  const bits = Math.ceil(Math.log2(Math.max(2, values.length)));
  const reversed = (place: number) => {
    let result = 0;
    for (let bit = 0; bit < bits; bit++) result |= ((place >> bit) & 1) << (bits - 1 - bit);
    return result;
  };
  return values
    .map((value, place) => ({ value, order: reversed(place) }))
    .sort((a, b) => a.order - b.order)
    .map(({ value }) => value);
}

/** The groups that are listed, in order: all, or those with failures and an even selection of the others. */
function listedGroups(rollouts: readonly RolloutRecord[], most: number): [string, RolloutRecord[]][] {
  const groups = [...Map.groupBy(rollouts, (record) => record.group_id)];
  if (groups.length <= most) return groups;
  const hasFailure = ([, members]: [string, RolloutRecord[]]) =>
    members.some(({ outcome }) => outcome.kind !== "scored");
  const failing = groups.filter(hasFailure).slice(0, Math.floor(most / 2));
  const others = spread(groups.filter((group) => !hasFailure(group))).slice(0, most - failing.length);
  const kept = new Set([...failing, ...others].map(([id]) => id));
  return groups.filter(([id]) => kept.has(id));
}

function parseTranscript(text: string): Pick<TranscriptLine, "messages" | "turns"> {
  const value = JSON.parse(text) as TranscriptLine;
  return { messages: value.messages ?? [], turns: value.turns ?? [] };
}

async function readMetrics(directory: string): Promise<Record<string, unknown> | null> {
  try {
    const value: unknown = JSON.parse(await readFile(join(directory, "metrics.json"), "utf8"));
    const results = isObject(value) && isObject(value.results) ? value.results : null;
    return results && isObject(results.all) ? results.all : null;
  } catch (error) {
    if (isErrno(error) && error.code === "ENOENT") return null;
    throw error;
  }
}
