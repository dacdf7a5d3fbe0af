/**
 * One group in `process` and `serve`: its tools are resolved once, its missing rollouts are made, each is recorded when
 * it ends, and the group is written or filtered, always with a reason. What an earlier process finished is read back
 * instead of made again.
 */
import { deriveSeed, LachesisError, toLachesisError } from "../core/index.ts";
import {
  type GroupRecord,
  type Outcome,
  outcomeOfReward,
  type Recorder,
  type RolloutRecord,
  rewardError,
  type TokenSequence,
  type TranscriptLine,
  v1GroupLine,
} from "../evaluation/index.ts";
import type { StepMetrics } from "../metrics/index.ts";
import type { BaseEnv } from "./base-env.ts";
import type { NamedItem } from "./item-source.ts";
import { type MemberIdentity, type MemberOptions, runMember } from "./member.ts";
import type { GroupTools, Rollout } from "./rollout.ts";
import { recordOf, restored, rolloutFacts, transcriptOf } from "./rollout-record.ts";
import type { RunTotals } from "./run-totals.ts";
import type { FinishedTrajectory, Trajectory } from "./trajectory.ts";
import { finished } from "./trajectory.ts";

export interface GroupRunOptions {
  env: BaseEnv;
  recorder: Recorder;
  totals: RunTotals;
  metrics: StepMetrics;
  seed: number;
  groupSize: number;
  dropEqualScores: boolean;
  includeMessages: boolean;
  /** Why a group of these sequences is left out, for those who need more than scores; null: it is not. */
  unusable?(sequences: readonly TokenSequence[]): string | null;
  maxTrajectoryTokens: number | null;
  /** Written into each group. */
  generation: Record<string, unknown>;
  /** Rollouts of a group in the rollout table; −1 is all. */
  tableRollouts: number;
  member: Omit<MemberOptions, "tools" | "onRetry">;
  /** Takes a finished group that was not filtered; default: nothing beyond the file. */
  deliver?(line: string, record: GroupRecord): Promise<void>;
}

/** A member of the group with everything known of it. */
interface Member {
  record: RolloutRecord;
  trajectory: FinishedTrajectory;
}

/** Makes and records one group. Rejects only where nothing can be recorded any more, or for a wrong configuration. */
export async function runGroup(work: NamedItem<unknown>, options: GroupRunOptions): Promise<void> {
  const { env, totals, member: base } = options;
  const began = base.clock.now();
  const seed = deriveSeed(options.seed, "group", work.groupId);
  const tools = await env.resolveTools(work.item, seed);
  const group = { id: work.groupId, itemId: work.itemId, seed, size: options.groupSize, tools };
  const run = new GroupRun(work, seed, tools, options);
  let trajectories: FinishedTrajectory[];
  try {
    trajectories = await env.collectTrajectories(work.item, group, (collect) => run.collect(collect));
  } catch (error) {
    if (base.control.cancelled) return;
    if (options.recorder.failure) throw error;
    trajectories = await run.failed(error);
  }
  if (base.control.cancelled && trajectories.length < options.groupSize) return;
  const members = await run.membersOf(trajectories);
  const outcomes = await rescored(env, work.item, members);
  const final = members.map((member, index) => withOutcome(member, outcomes[index] ?? member.record.outcome));
  members.forEach(({ record }, index) => {
    if (final[index]!.record !== record) totals.rescored(record.outcome, final[index]!.record.outcome);
  });
  await run.finish(final, members, (base.clock.now() - began) / 1000);
}

class GroupRun {
  readonly #work: NamedItem<unknown>;
  readonly #seed: number;
  readonly #tools: GroupTools | null;
  readonly #options: GroupRunOptions;
  readonly #members = new Map<FinishedTrajectory, RolloutRecord>();

  constructor(work: NamedItem<unknown>, seed: number, tools: GroupTools | null, options: GroupRunOptions) {
    this.#work = work;
    this.#seed = seed;
    this.#tools = tools;
    this.#options = options;
  }

  /** The group's rollouts in order; those that a cancellation ended are left out. */
  async collect(collect: (rollout: Rollout) => Promise<Trajectory>): Promise<FinishedTrajectory[]> {
    const all = Array.from({ length: this.#options.groupSize }, (_, place) => this.#one(place, collect));
    // A rollout that cannot be recorded must not leave the others running behind the engine's back.
    const ends = await Promise.allSettled(all);
    const failed = ends.find((end) => end.status === "rejected");
    if (failed) throw failed.reason;
    return ends.flatMap((end) => (end.status === "fulfilled" && end.value ? [end.value] : []));
  }

  /** The records of what `collectTrajectories` gave; trajectories that it made by itself are recorded now. */
  async membersOf(trajectories: readonly FinishedTrajectory[]): Promise<Member[]> {
    return Promise.all(
      trajectories.map(async (trajectory, place) => {
        const known = this.#members.get(trajectory);
        if (known) return { record: known, trajectory };
        const own = isFinished(trajectory) ? trajectory : finished(trajectory as unknown as Trajectory);
        return { record: await this.#record(place, own, null), trajectory: own };
      }),
    );
  }

  /** The group when `collectTrajectories` threw: nothing that it made by itself can be scored. */
  async failed(error: unknown): Promise<FinishedTrajectory[]> {
    const outcome: Outcome = { kind: "aborted", error: toLachesisError(error).toJSON() };
    const done = [...this.#members.keys()];
    const missing = this.#options.groupSize - done.length;
    const empty = finished({ messages: [], reward: outcome });
    return [...done, ...Array.from({ length: Math.max(0, missing) }, () => ({ ...empty }))];
  }

  /** Writes or filters the group. */
  async finish(members: readonly Member[], before: readonly Member[], seconds: number): Promise<void> {
    const { recorder, totals, metrics, env, deliver } = this.#options;
    const scored = members.flatMap(({ record }) => (record.outcome.kind === "scored" ? [record.outcome.reward] : []));
    const reason = this.#filterReason(scored) ?? this.#unusable(members);
    const changed = members.some(({ record }, index) => record !== before[index]?.record);
    const line = reason === null ? this.#line(members) : null;
    const group: GroupRecord = {
      type: "group",
      item_id: this.#work.itemId,
      group_id: this.#work.groupId,
      status: reason === null ? "written" : "filtered",
      reason,
      scored: scored.length,
      size: members.length,
      ...(changed && { outcomes: members.map(({ record }) => record.outcome) }),
    };
    await recorder.group(group, line);
    totals.group(group);
    metrics.group({
      seconds,
      sent: reason === null,
      items: reason === null ? scored.length : members.length,
      table: this.#table(members),
      rollouts: members.map(({ record }) => rolloutFacts(record)),
    });
    if (line !== null) await deliver?.(line, group);
    env.logger.debug({ group: group.group_id, status: group.status, reason }, "group finished");
  }

  async #one(place: number, collect: (rollout: Rollout) => Promise<Trajectory>): Promise<FinishedTrajectory | null> {
    const { recorder, member, env } = this.#options;
    const identity = this.#identity(place);
    const earlier = recorder.state.rollouts.get(identity.id);
    if (earlier?.place) {
      const trajectory = restored(earlier, (await recorder.bulkOf(earlier.place)) as TranscriptLine);
      this.#members.set(trajectory, earlier);
      return trajectory;
    }
    const end = await runMember(identity, collect, {
      ...member,
      tools: this.#tools,
      onRetry: (record) => {
        this.#options.totals.retries++;
        this.#options.totals.usage(record.usage);
        // A journal that cannot be written ends the run when the rollout itself is recorded.
        recorder.retry(record).catch((error) => env.logger.debug({ error: String(error) }, "retry not recorded"));
      },
    });
    if (end === null) return null;
    const record = recordOf(identity, end, this.#options.maxTrajectoryTokens);
    this.#members.set(end.trajectory, await this.#keep(record, end.trajectory));
    return end.trajectory;
  }

  #identity(place: number): MemberIdentity {
    const { itemId, groupId } = this.#work;
    return { id: `${groupId}/${place}`, itemId, groupId, member: place, seed: deriveSeed(this.#seed, place) };
  }

  async #record(place: number, trajectory: FinishedTrajectory, metrics: Record<string, number> | null) {
    const end = {
      trajectory,
      tries: 1,
      startedAt: this.#options.member.clock.date(),
      totalMs: trajectory.model_ms + trajectory.tool_ms + trajectory.reward_ms,
      metrics: metrics ?? undefined,
    };
    return this.#keep(recordOf(this.#identity(place), end, this.#options.maxTrajectoryTokens), trajectory);
  }

  async #keep(record: RolloutRecord, trajectory: FinishedTrajectory): Promise<RolloutRecord> {
    const { recorder, totals } = this.#options;
    const recorded = await recorder.rollout(record, transcriptOf(record.rollout_id, trajectory));
    totals.rollout(recorded);
    return recorded;
  }

  #filterReason(scores: readonly number[]): string | null {
    const { groupSize, dropEqualScores } = this.#options;
    if (scores.length < Math.min(2, groupSize)) return "too_few_scored";
    const equal = scores.every((score) => score === scores[0]);
    return dropEqualScores && groupSize > 1 && equal ? "equal_scores" : null;
  }

  #unusable(members: readonly Member[]): string | null {
    const { unusable } = this.#options;
    if (!unusable) return null;
    const scored = members.filter(({ record }) => record.outcome.kind === "scored");
    return unusable(scored.flatMap(({ trajectory }) => trajectory.sequences ?? []));
  }

  #line(members: readonly Member[]): string {
    return v1GroupLine({
      group_id: this.#work.groupId,
      item_id: this.#work.itemId,
      seed: this.#seed,
      tools: this.#tools?.schemas ?? null,
      toolsets: this.#tools?.toolsets ?? null,
      generation_params: this.#options.generation,
      include_messages: this.#options.includeMessages,
      members: members.map(({ record, trajectory }) => ({
        record,
        messages: trajectory.messages,
        sequences: trajectory.sequences,
      })),
    });
  }

  #table(members: readonly Member[]) {
    const { tableRollouts } = this.#options;
    const shown = tableRollouts < 0 ? members : members.slice(0, tableRollouts);
    return {
      item_id: this.#work.itemId,
      rollouts: shown.map(({ record: { outcome }, trajectory: { messages } }) => ({
        messages,
        score:
          outcome.kind === "scored" ? outcome.reward : outcome.kind === "aborted" ? outcome.error.code : outcome.reason,
      })),
    };
  }
}

/** The outcomes that `scoreGroup` gives; where it fails, none of the group can be scored. */
async function rescored(env: BaseEnv, item: unknown, members: readonly Member[]): Promise<Outcome[]> {
  const own = members.map(({ record }) => record.outcome);
  try {
    const given = await env.scoreGroup(
      item,
      members.map(({ trajectory, record }) => ({ ...trajectory, outcome: record.outcome })),
    );
    if (given === undefined) return own;
    if (given.length !== own.length) {
      throw new LachesisError("reward_error", `scoreGroup gave ${given.length} outcomes for ${own.length} rollouts.`);
    }
    return given.map((value) => outcomeOfReward(value));
  } catch (error) {
    const failure = rewardError(new LachesisError("reward_error", toLachesisError(error).message, { cause: error }));
    return own.map((outcome) => (outcome.kind === "scored" ? failure : outcome));
  }
}

function withOutcome(member: Member, outcome: Outcome): Member {
  if (JSON.stringify(outcome) === JSON.stringify(member.record.outcome)) return member;
  return { ...member, record: { ...member.record, outcome } };
}

function isFinished(value: FinishedTrajectory | Trajectory): value is FinishedTrajectory {
  return typeof value === "object" && value !== null && "outcome" in value && "turns" in value;
}
