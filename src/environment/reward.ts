/**
 * From the end of an agent's run to an outcome. What failed for the infrastructure's sake never reaches reward code; what
 * reward code throws, and a reward that takes too long, is `unscored`, never 0.
 */
import type { AgentResult } from "../agent/index.ts";
import { LachesisError, logger, toLachesisError } from "../core/index.ts";
import { type Outcome, rewardError } from "../evaluation/index.ts";
import { endsRollout } from "../tools/index.ts";
import type { Verdict } from "./agent-env.ts";

/** The outcome of a run that cannot be scored, or null when reward code has its say. */
export function outcomeWithoutReward(result: AgentResult, fatal: LachesisError | null): Outcome | null {
  if (fatal) return { kind: "aborted", error: fatal.toJSON() };
  const { stop_reason, error } = result;
  if (stop_reason !== "model_error" && stop_reason !== "cancelled") return null;
  const facts = (error ?? new LachesisError("internal", "The agent's run failed without saying why.")).toJSON();
  if (facts.code === "content_filter") return { kind: "unscored", reason: "content_filter", error: facts };
  return { kind: "aborted", error: facts };
}

export interface ScoreLimits {
  seconds: number;
  signal: AbortSignal;
  /** Named in warnings. */
  environment: string;
}

/** The verdict of reward code, its time limited; `reward_ms` says how long it took. Never rejects. */
export async function scoreWithin(
  score: () => Promise<Verdict>,
  limits: ScoreLimits,
): Promise<Verdict & { reward_ms: number }> {
  const started = performance.now();
  const watch = watchEventLoop(limits.environment);
  let verdict: Verdict;
  try {
    verdict = await inTime(score, limits);
  } catch (error) {
    verdict = { reward: outcomeOfError(error, limits.signal) };
  } finally {
    watch();
  }
  return { ...verdict, reward_ms: performance.now() - started };
}

/** Errors that say that the infrastructure failed, and not the reward code. */
function outcomeOfError(thrown: unknown, signal: AbortSignal): Outcome {
  if (signal.aborted) return { kind: "aborted", error: toLachesisError(signal.reason, "cancelled").toJSON() };
  if (thrown instanceof LachesisError) {
    const infrastructure = thrown.code === "verifier_error" || thrown.code === "unsupported" || endsRollout(thrown);
    if (infrastructure) return { kind: "aborted", error: thrown.toJSON() };
  }
  const known = toLachesisError(thrown, "reward_error");
  const kind = thrown instanceof Error && !(thrown instanceof LachesisError) ? `${thrown.name}: ` : "";
  return rewardError(
    new LachesisError("reward_error", `computeReward failed: ${kind}${known.message}`, { cause: thrown }),
  );
}

function inTime(score: () => Promise<Verdict>, { seconds, signal }: ScoreLimits): Promise<Verdict> {
  return new Promise((resolve, reject) => {
    const late = () =>
      reject(new LachesisError("reward_error", `It took longer than ${seconds} s (env.reward_timeout_s).`));
    const timer = setTimeout(late, Math.min(seconds * 1000, 2 ** 31 - 1));
    const onAbort = () => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    score()
      .then(resolve, reject)
      .finally(() => {
        clearTimeout(timer);
        signal.removeEventListener("abort", onAbort);
      });
  });
}

const TICK_MS = 250;
const BLOCKED_MS = 1_000;
const warned = new Set<string>();
let watched = 0;
let ticker: NodeJS.Timeout | null = null;
let lastTick = 0;

/**
 * Warns once when the event loop stands still for more than a second while reward code runs: it holds up every other
 * rollout of the process. Gives the function that ends the watch.
 */
function watchEventLoop(environment: string): () => void {
  const look = () => {
    const stood = performance.now() - lastTick;
    lastTick = performance.now();
    if (stood < BLOCKED_MS + TICK_MS || warned.has(environment)) return;
    warned.add(environment);
    logger.warn(
      { environment, seconds: Math.round(stood / 100) / 10 },
      `${environment}: computeReward blocked the event loop, and every other rollout stood still. Do such work in the sandbox or in a worker.`,
    );
  };
  if (watched++ === 0) {
    lastTick = performance.now();
    ticker = setInterval(look, TICK_MS).unref();
  }
  return () => {
    look();
    if (--watched === 0 && ticker) clearInterval(ticker);
  };
}
