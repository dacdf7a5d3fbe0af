/** Who takes part in a run: the trainer that registers it, environments that come and go. */
import { randomUUID } from "node:crypto";
import { LachesisError } from "../../core/index.ts";
import type { EnvRegistered, EnvRegistration, RunRegistration } from "../contract.ts";
import { setAsideOversized } from "./batches.ts";
import type { EnvRow } from "./records.ts";
import type { RunState } from "./run-state.ts";

/** How much older than its last stored sign of life an env may look: writing each one down would cost a disk write. */
const SEEN_RESOLUTION_MS = 10_000;

/** Ids of requesters that are remembered. */
const MOST_TRAINERS = 100;

/** The first registration sets the run up; later ones only add a requester. `trainer` is a 128-bit number as text. */
export function registerTrainer(state: RunState, registration: RunRegistration, trainer: string): void {
  const trainers = [...state.run.trainers.slice(1 - MOST_TRAINERS), trainer];
  if (state.run.registration) {
    state.patchRun({ trainers });
    return;
  }
  state.patchRun({ registration, trainers, step: registration.starting_step });
  setAsideOversized(state);
}

/** null while no trainer has started. With the token of an earlier registration the env gets its old id. */
export function registerEnv(
  state: RunState,
  env: EnvRegistration & { token?: string },
  now: number,
): (EnvRegistered & { token: string }) | null {
  const { registration, started, step } = state.run;
  if (!registration || !started) return null;
  const known = env.token === undefined ? undefined : [...state.envs].find(([, row]) => row.token === env.token);
  const id = known?.[0] ?? state.run.nextEnv;
  const row: EnvRow = {
    desiredName: env.desired_name,
    wandbName: known?.[1].wandbName ?? `${env.desired_name}_${countNamed(state, env.desired_name)}`,
    weight: env.weight,
    groupSize: env.group_size,
    minAllocation: env.min_batch_allocation,
    maxTokenLength: env.max_token_length,
    connected: true,
    lastSeen: now,
    token: known?.[1].token ?? randomUUID(),
  };
  state.put({ table: "env", id: String(id), body: row });
  if (!known) state.patchRun({ nextEnv: id + 1 });
  return {
    status: "success",
    env_id: id,
    wandb_name: row.wandbName,
    checkpoint_dir: registration.checkpoint_dir,
    starting_step: step,
    checkpoint_interval: registration.save_checkpoint_interval,
    num_steps: registration.num_steps,
    token: row.token,
  };
}

/** The env leaves. Throws `not_found`. */
export function disconnectEnv(state: RunState, env: number): void {
  known(state, env);
  state.patchEnv(env, { connected: false, left: true });
}

/** False where `seenEnv` would write. */
export function isFresh(state: RunState, env: number, now: number): boolean {
  const row = known(state, env);
  if (row.left) return true;
  return row.connected && Math.abs(now - row.lastSeen) <= SEEN_RESOLUTION_MS;
}

/** A sign of life; an env that was given up comes back, one that left does not. Throws `not_found`. */
export function seenEnv(state: RunState, env: number, now: number): EnvRow {
  if (!isFresh(state, env, now)) state.patchEnv(env, { connected: true, lastSeen: now });
  return state.envs.get(env)!;
}

/** Marks envs as disconnected that gave no sign of life for so long; gives their ids. */
export function dropSilentEnvs(state: RunState, now: number, silenceMs: number): number[] {
  const silent = silentEnvs(state, now, silenceMs);
  for (const id of silent) state.patchEnv(id, { connected: false });
  return silent;
}

/** Connected envs that gave no sign of life for so long, or that claim one of the future: their clock was another. */
export function silentEnvs(state: RunState, now: number, silenceMs: number): number[] {
  const isSilent = ({ connected, lastSeen }: EnvRow) =>
    connected && Math.abs(now - lastSeen) > silenceMs + SEEN_RESOLUTION_MS;
  return [...state.envs].filter(([, env]) => isSilent(env)).map(([id]) => id);
}

function countNamed(state: RunState, name: string): number {
  return [...state.envs.values()].filter((env) => env.desiredName === name).length;
}

/** Forgets everything but what v1 keeps across a reset. */
export function resetRun(state: RunState, now: number): void {
  const formerMaxTokenLen = state.run.registration?.max_token_len ?? state.run.formerMaxTokenLen;
  state.clear(now);
  if (formerMaxTokenLen !== undefined) state.patchRun({ formerMaxTokenLen });
}

function known(state: RunState, env: number): EnvRow {
  const row = state.envs.get(env);
  if (!row) throw new LachesisError("not_found", `Run "${state.name}" has no environment with env_id ${env}.`);
  return row;
}
