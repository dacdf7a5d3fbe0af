/** Where groups come from: a file of groups or samples, a run directory, or a trajectory API whose trainer we are. */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { errorMessage, isErrno, LachesisError } from "../../core/index.ts";
import { linesOfFile } from "../text-file.ts";
import { isSolved } from "./filter.ts";
import { type TrainingGroup, trainingGroup } from "./scored-group.ts";
import { lengthOf } from "./select.ts";

/** The file of a path: itself, or of a run directory its groups, else its samples. Throws `not_found`. */
export async function groupsFile(path: string): Promise<string> {
  if (!(await isDirectory(path))) return path;
  for (const name of ["groups.jsonl", "samples.jsonl"]) {
    const file = join(path, name);
    if ((await kindOf(file)) === "file") return file;
  }
  throw new LachesisError(
    "not_found",
    `${path} holds neither groups.jsonl nor samples.jsonl; name the file of groups.`,
  );
}

/** Groups of a file, line by line. Throws `not_found`, and `data_invalid` with the line and the field. */
export async function* groupsOf(file: string): AsyncGenerator<TrainingGroup> {
  if ((await kindOf(file)) === null) throw new LachesisError("not_found", `${file} does not exist.`);
  for await (const { text, line: number } of linesOfFile(file)) {
    const json = number === 1 ? text.replace(/^\uFEFF/, "") : text;
    if (json.trim() === "") continue;
    const place = `${file}:${number}`;
    let value: unknown;
    try {
      value = JSON.parse(json);
    } catch (error) {
      throw new LachesisError("data_invalid", `${place}: the line is not JSON: ${errorMessage(error)}.`);
    }
    yield trainingGroup(value, place, number);
  }
}

export interface JudgedGroup {
  group: TrainingGroup;
  /** Of all scored rollouts of the group's item in the same file. */
  rewards: number[];
}

interface Item {
  rewards: number[];
  best: number;
  /** The shortest correct rollout: its length, and the number of its group. */
  shortest: { length: number; group: number } | null;
}

/** Groups of a file with what filters judge. Reads it twice: an item's rollouts may stand in several groups. */
export async function* judgedGroups(file: string): AsyncGenerator<JudgedGroup> {
  const items = new Map<string, Item>();
  const samples = new Map<string, TrainingGroup>();
  let count = 0;
  let onlySamples = true;
  for await (const group of groupsOf(file)) {
    addToItem(items, group, count++);
    onlySamples &&= group.isSample;
    if (!group.isSample) continue;
    // Lines of an evaluation are single attempts: an item's attempts together are its group.
    const together = samples.get(group.groupId);
    if (together) together.rollouts.push(...group.rollouts);
    else samples.set(group.groupId, group);
  }
  for (const group of samples.values()) yield { group, rewards: items.get(group.itemId)!.rewards };
  if (onlySamples) return;
  let number = 0;
  for await (const group of groupsOf(file)) {
    // The file of a run that is going on grows meanwhile: of what came later no item was judged.
    if (number === count) return;
    const { rewards, best, shortest } = items.get(group.itemId)!;
    group.standing = { best, hasShortest: shortest?.group === number };
    number++;
    if (!group.isSample) yield { group, rewards };
  }
}

function addToItem(items: Map<string, Item>, { itemId, rollouts }: TrainingGroup, group: number): void {
  const item = items.get(itemId) ?? { rewards: [], best: Number.NEGATIVE_INFINITY, shortest: null };
  items.set(itemId, item);
  for (const rollout of rollouts) {
    item.rewards.push(rollout.reward);
    item.best = Math.max(item.best, rollout.reward);
    if (!isSolved(rollout.reward)) continue;
    const length = lengthOf(rollout);
    if (item.shortest === null || length < item.shortest.length) item.shortest = { length, group };
  }
}

async function isDirectory(path: string): Promise<boolean> {
  const kind = await kindOf(path);
  if (kind === null) throw new LachesisError("not_found", `${path} does not exist.`);
  return kind === "directory";
}

async function kindOf(path: string): Promise<"file" | "directory" | null> {
  try {
    return (await stat(path)).isDirectory() ? "directory" : "file";
  } catch (error) {
    if (isErrno(error) && error.code === "ENOENT") return null;
    throw error;
  }
}
