/**
 * What an environment wants to keep across restarts, saved at the trainer's checkpoint steps together with its place in
 * the order of items: what it hands out after a restart gets the names that it would have had.
 */
import { mkdir, readdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { errorMessage, isErrno, logger } from "../../core/index.ts";
import type { BaseEnv } from "../base-env.ts";
import type { ItemNames } from "../item-source.ts";

/** `<checkpoint_dir>/env_checkpoints/<name>` */
export function checkpointFolder(checkpointDir: string, runDir: string, name: string): string {
  return join(checkpointDir === "" ? runDir : checkpointDir, "env_checkpoints", name);
}

/** Saves the environment's state; does nothing for one that has none. */
export async function saveCheckpoint(env: BaseEnv, names: ItemNames, folder: string, step: number): Promise<void> {
  const items = names.state();
  const state = await env.checkpoint();
  if (state === undefined) return;
  await mkdir(folder, { recursive: true });
  const path = join(folder, `step-${step}.json`);
  await writeFile(`${path}.tmp`, JSON.stringify({ step, state, items }));
  await rename(`${path}.tmp`, path);
}

/** Restores the newest checkpoint that is not newer than the step; gives its step, or null. */
export async function restoreCheckpoint(
  env: BaseEnv,
  names: ItemNames,
  folder: string,
  step: number,
): Promise<number | null> {
  const steps = (await namesIn(folder))
    .flatMap((name) => /^step-(\d+)\.json$/.exec(name)?.[1] ?? [])
    .map(Number)
    .filter((saved) => saved <= step)
    .sort((a, b) => b - a);
  for (const saved of steps) {
    try {
      const { state, items } = JSON.parse(await readFile(join(folder, `step-${saved}.json`), "utf8"));
      await env.restore(state);
      if (items) names.restore(items);
      return saved;
    } catch (error) {
      logger.warn(
        { folder, step: saved, error: errorMessage(error) },
        "a checkpoint cannot be restored; trying an older one",
      );
    }
  }
  return null;
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (isErrno(error) && error.code === "ENOENT") return [];
    throw error;
  }
}
