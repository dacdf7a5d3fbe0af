/** What a run has done so far, in numbers: for the progress line, the table at the end and the exit code. */
import type { GroupRecord, Outcome, RolloutRecord } from "../evaluation/index.ts";

/** Rollouts that were not scored for one reason. */
export interface Unscorable {
  /** The code or reason. */
  reason: string;
  kind: "unscored" | "aborted";
  count: number;
  /** Message of the first one. */
  example: string;
}

export class RunTotals {
  /** Rollouts that the run will have, or null when nobody knows. */
  planned: number | null = null;
  plannedGroups: number | null = null;
  scored = 0;
  unscored = 0;
  aborted = 0;
  rewardSum = 0;
  /** Done by earlier processes of this run. */
  earlier = 0;
  retries = 0;
  toolErrors = 0;
  promptTokens = 0;
  completionTokens = 0;
  costUsd: number | null = null;
  groupsWritten = 0;
  readonly filtered = new Map<string, number>();
  readonly stopReasons = new Map<string, number>();
  readonly #unscorable = new Map<string, Unscorable>();

  get done(): number {
    return this.scored + this.unscored + this.aborted;
  }

  get groups(): number {
    return this.groupsWritten + [...this.filtered.values()].reduce((sum, count) => sum + count, 0);
  }

  /** Mean of the scored; null when there is none. */
  get mean(): number | null {
    return this.scored === 0 ? null : this.rewardSum / this.scored;
  }

  /** The mean that would come out if what was not scored counted as 0. */
  get meanWithErrors(): number | null {
    return this.done === 0 ? null : this.rewardSum / this.done;
  }

  /** Share of the rollouts that could not be scored. */
  get errorRate(): number {
    return this.done === 0 ? 0 : (this.unscored + this.aborted) / this.done;
  }

  get unscorable(): Unscorable[] {
    return [...this.#unscorable.values()].sort((a, b) => b.count - a.count);
  }

  /** Whether reward code failed at least once. */
  get rewardFailed(): boolean {
    return this.#unscorable.has("unscored reward_error");
  }

  rollout(record: RolloutRecord, earlier = false): void {
    const { outcome, usage } = record;
    if (earlier) this.earlier++;
    this[outcome.kind]++;
    if (outcome.kind === "scored") this.rewardSum += outcome.reward;
    else this.#note(outcome);
    const stop = record.stop_reason ?? "none";
    this.stopReasons.set(stop, (this.stopReasons.get(stop) ?? 0) + 1);
    this.toolErrors += record.tool_errors.length;
    if (!earlier) this.usage(usage);
    if (usage.cost_usd !== null) this.costUsd = (this.costUsd ?? 0) + usage.cost_usd;
  }

  /** Tokens that this process used. */
  usage(usage: { prompt_tokens: number; completion_tokens: number }): void {
    this.promptTokens += usage.prompt_tokens;
    this.completionTokens += usage.completion_tokens;
  }

  /** `scoreGroup` gave a rollout another outcome than its own. */
  rescored(before: Outcome, after: Outcome): void {
    this[before.kind]--;
    if (before.kind === "scored") this.rewardSum -= before.reward;
    this[after.kind]++;
    if (after.kind === "scored") this.rewardSum += after.reward;
    else this.#note(after);
  }

  group(record: GroupRecord): void {
    if (record.status === "written") this.groupsWritten++;
    else this.filtered.set(record.reason ?? "", (this.filtered.get(record.reason ?? "") ?? 0) + 1);
  }

  #note(outcome: Exclude<Outcome, { kind: "scored" }>): void {
    const reason = outcome.kind === "aborted" ? outcome.error.code : outcome.reason;
    const key = `${outcome.kind} ${reason}`;
    const known = this.#unscorable.get(key);
    if (known) known.count++;
    else this.#unscorable.set(key, { reason, kind: outcome.kind, count: 1, example: outcome.error?.message ?? "" });
  }
}
