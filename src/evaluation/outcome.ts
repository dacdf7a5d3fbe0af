/**
 * How a rollout ended. Only `scored` counts in baselines and metrics: what failed for the infrastructure's sake is
 * `aborted`, what cannot be judged is `unscored`, and neither is ever taken for a reward of 0.
 */
import { ERRORS, type ErrorCode, isObject, LachesisError, type ToolSchema, toLachesisError } from "../core/index.ts";

export interface Scored {
  kind: "scored";
  /** Finite. */
  reward: number;
  /** Parts of the reward by name, for people and metrics. */
  components?: Record<string, number>;
  /** One reward per model turn. */
  turn_rewards?: number[];
  /** Remarks such as `tampered`. */
  flags?: string[];
}

export interface Unscored {
  kind: "unscored";
  /** Such as reward_error, content_filter, too_long. */
  reason: string;
  error?: ErrorFacts;
}

export interface Aborted {
  kind: "aborted";
  error: ErrorFacts;
}

export type Outcome = Scored | Unscored | Aborted;

/** An error as it is written to journals. */
export type ErrorFacts = ReturnType<LachesisError["toJSON"]>;

/** What reward code may return. */
export type RewardValue = number | boolean | Outcome;

/** The outcome of what reward code returned; anything that is no reward becomes `unscored` with reason reward_error. */
export function outcomeOfReward(value: unknown): Outcome {
  if (typeof value === "boolean") return { kind: "scored", reward: value ? 1 : 0 };
  if (typeof value === "number" && Number.isFinite(value)) return { kind: "scored", reward: value };
  if (isObject(value) && value.kind === "scored" && typeof value.reward === "number" && Number.isFinite(value.reward)) {
    return value as unknown as Scored;
  }
  if (isObject(value) && value.kind === "unscored" && typeof value.reason === "string") {
    return value as unknown as Unscored;
  }
  if (isObject(value) && value.kind === "aborted") return { kind: "aborted", error: factsOf(value.error) };
  const found = typeof value === "number" ? String(value) : value === undefined ? "undefined" : JSON.stringify(value);
  return rewardError(
    new LachesisError(
      "reward_error",
      `The reward must be a finite number, a boolean or an outcome, but it was ${found}.`,
    ),
  );
}

/** Facts stay as they are; anything else that was thrown is converted. */
function factsOf(error: unknown): ErrorFacts {
  const isFacts = isObject(error) && typeof error.code === "string" && Object.hasOwn(ERRORS, error.code);
  if (!isFacts || error instanceof Error) return toLachesisError(error, "verifier_error").toJSON();
  return new LachesisError(error.code as ErrorCode, String(error.message ?? "")).toJSON();
}

export function rewardError(error: LachesisError): Unscored {
  return { kind: "unscored", reason: "reward_error", error: error.toJSON() };
}

/** One sequence of exact tokens that a rollout gave; lists are aligned by position. */
export interface TokenSequence {
  tokens: number[];
  /** The token id where it was sampled by the policy, else −100. */
  masks: number[];
  /** Natural logarithm at sampled positions, 1.0 elsewhere; null where the server gives none. */
  inference_logprobs: number[] | null;
  /** Lowest and highest version of the weights that sampled it; null where the server does not say. */
  weight_versions?: [number, number] | null;
  /** True when the tokens were rendered from text afterwards: fit for SFT only. */
  rendered?: boolean;
}

/** The tools of a group, as the model saw them. */
export type ToolSchemas = readonly ToolSchema[];

/** Faults after which no rollout of the run can succeed until its user does something. */
const HOPELESS: ReadonlySet<string> = new Set([
  "auth",
  "model_not_found",
  "sandbox_unavailable",
  "missing_dependency",
  "config_invalid",
]);

/** True where the run stops for this outcome. Such rollouts were never really tried: a resume makes them again. */
export function endsRun(outcome: Outcome): outcome is Aborted {
  return outcome.kind === "aborted" && HOPELESS.has(outcome.error.code);
}
