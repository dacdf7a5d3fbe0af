/**
 * Reads a run's journal back. What it names as finished is finished, whatever happened to the process; a line that was
 * torn by a crash, and bytes of bulk files that no line names, never happened.
 */
import { existsSync, statSync } from "node:fs";
import { isObject } from "../core/index.ts";
import { linesOf } from "./json-lines.ts";
import { endsRun } from "./outcome.ts";
import type { GroupRecord, JournalLine, RetryRecord, RolloutRecord } from "./record.ts";

export interface JournalState {
  /** By rollout id. */
  rollouts: Map<string, RolloutRecord>;
  /** By group id. */
  groups: Map<string, GroupRecord>;
  retries: RetryRecord[];
  /** Bytes of the journal up to the end of its last whole line. */
  bytes: number;
  /** Bytes of rollouts.jsonl or samples.jsonl that the journal vouches for. */
  bulkBytes: number;
  /** Bytes of the groups file that the journal vouches for. */
  groupBytes: number;
  /** Lines that could not be read; their rollouts are run again. */
  damaged: number;
}

const empty = (): JournalState => ({
  rollouts: new Map(),
  groups: new Map(),
  retries: [],
  bytes: 0,
  bulkBytes: 0,
  groupBytes: 0,
  damaged: 0,
});

/** The state that the journal at `path` records; an absent journal is an empty one. */
export async function readJournal(path: string): Promise<JournalState> {
  const state = empty();
  if (!existsSync(path)) return state;
  for await (const { text, offset, bytes } of linesOf(path)) {
    state.bytes = offset + bytes + 1;
    const line = parseLine(text);
    if (line) apply(state, line);
    else state.damaged++;
  }
  return state;
}

/**
 * Forgets the rollouts that were aborted because the run had to stop, and those at the end that no server could be
 * reached for, with their groups: going on means making them.
 */
export function dropStopped(state: JournalState): void {
  let atEnd = true;
  for (const [id, record] of [...state.rollouts].reverse()) {
    atEnd &&= record.outcome.kind === "aborted" && record.outcome.error.code === "connection";
    if (!atEnd && !endsRun(record.outcome)) continue;
    state.rollouts.delete(id);
    if (state.groups.get(record.group_id)?.status === "filtered") state.groups.delete(record.group_id);
  }
}

/** Forgets what names bytes that a bulk file does not hold, as after a power cut or when the file was removed. */
export function dropLost(state: JournalState, files: { bulk: string; groups: string | null }): void {
  const bulkSize = sizeOf(files.bulk);
  for (const [id, record] of state.rollouts) {
    if (record.place && record.place.offset + record.place.bytes + 1 > bulkSize) state.rollouts.delete(id);
  }
  const groupsSize = files.groups === null ? 0 : sizeOf(files.groups);
  for (const [id, record] of state.groups) {
    if (record.place && record.place.offset + record.place.bytes + 1 > groupsSize) state.groups.delete(id);
  }
  state.bulkBytes = Math.min(state.bulkBytes, bulkSize);
  state.groupBytes = Math.min(state.groupBytes, groupsSize);
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

function apply(state: JournalState, line: JournalLine): void {
  if (line.type === "rollout") {
    state.rollouts.set(line.rollout_id, line);
    state.bulkBytes = Math.max(state.bulkBytes, endOf(line));
  } else if (line.type === "group") {
    state.groups.set(line.group_id, line);
    state.groupBytes = Math.max(state.groupBytes, endOf(line));
  } else if (line.type === "retry") {
    state.retries.push(line);
  }
}

function endOf(record: { place?: { offset: number; bytes: number } }): number {
  return record.place ? record.place.offset + record.place.bytes + 1 : 0;
}

function parseLine(text: string): JournalLine | null {
  try {
    const value: unknown = JSON.parse(text);
    if (!isObject(value) || typeof value.type !== "string") return null;
    if (value.type === "rollout" && !(typeof value.rollout_id === "string" && isObject(value.outcome))) return null;
    if (value.type === "group" && typeof value.group_id !== "string") return null;
    return value as unknown as JournalLine;
  } catch {
    // Counted as damaged by the caller.
    return null;
  }
}
