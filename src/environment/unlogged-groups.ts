/**
 * Groups that a killed process finished and did not live to log in `metrics.jsonl` count in the first line that this
 * process writes: what the journal holds is in exactly one line of the metrics.
 */
import { join } from "node:path";
import { lastStep } from "../metrics/index.ts";
import type { OpenRun } from "./open-run.ts";
import { rolloutFacts } from "./rollout-record.ts";

/** Adds them to the metrics of the next step. The step of a line in `process` is the number of groups finished by then. */
export async function countUnlogged({ recorder, metrics, directory }: OpenRun): Promise<void> {
  const groups = [...recorder.state.groups.values()];
  if (groups.length === 0) return;
  const logged = await lastStep(join(directory.path, "metrics.jsonl"));
  const byGroup = Map.groupBy(recorder.state.rollouts.values(), ({ group_id }) => group_id);
  for (const group of groups.slice(logged)) {
    const own = (byGroup.get(group.group_id) ?? []).map((record) => ({
      ...record,
      outcome: group.outcomes?.[record.member] ?? record.outcome,
    }));
    const sent = group.status === "written";
    metrics.group({
      seconds: null,
      sent,
      items: sent ? group.scored : group.size,
      table: null,
      rollouts: own.map(rolloutFacts),
    });
  }
}
