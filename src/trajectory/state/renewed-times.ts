/**
 * What a new process makes of the times that an earlier one wrote. How much time passed in between nobody knows: the
 * machine's clock may have been set. So whatever runs out is given its whole time again, from the process's beginning,
 * and nothing lies in the future. In the worst case a dead trainer's batch is handed on one lease later.
 */
import { leaseLength } from "./batches.ts";
import type { RunState } from "./run-state.ts";

/** Changes what is held in memory only; what is written later says it anew. */
export function renewTimes(state: RunState, began: number, now: number): void {
  const renewed = (at: number) => Math.min(Math.max(at, began), now);
  for (const [id, batch] of state.batches) {
    const { lease } = batch;
    if (!lease) continue;
    const ms = leaseLength(lease);
    const until = renewed(lease.until - ms) + ms;
    state.load({ table: "batch", id: String(id), body: { ...batch, lease: { ...lease, ms, until } } });
  }
  for (const [id, env] of state.envs) {
    if (env.connected) state.load({ table: "env", id: String(id), body: { ...env, lastSeen: renewed(env.lastSeen) } });
  }
  for (const [id, key] of state.keys) state.load({ table: "key", id, body: { ...key, at: renewed(key.at) } });
  const { trainerSeen } = state.run;
  if (trainerSeen !== undefined && trainerSeen > now)
    state.load({ table: "run", id: "run", body: { ...state.run, trainerSeen: now } });
}
