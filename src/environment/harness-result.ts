/** From what a session captured and how its program ended to an agent's result, as the built-in loop would have given it. */
import type { AgentResult, StopReason } from "../agent/index.ts";
import { type ChatMessage, LachesisError, noUsage } from "../core/index.ts";
import type { Outcome } from "../evaluation/index.ts";
import type { ProxySession } from "../inference/index.ts";

/** How the program ended. */
export interface ProgramEnd {
  /** null when it was killed. */
  exitCode: number | null;
  timedOut: boolean;
  /** Its newest output, for people. */
  output: string;
  /** Milliseconds. */
  ms: number;
  /** What kept it from running or ending: the sandbox died, the rollout was cancelled. */
  error: LachesisError | null;
}

export function harnessResult(
  session: ProxySession,
  opening: readonly ChatMessage[],
  end: ProgramEnd,
  signal: AbortSignal,
): AgentResult {
  const { calls } = session;
  const { reason, error } = stopOf(session, end, signal);
  const answers = calls.map(({ answer }) => answer.choices[0]!);
  const modelMs = calls.reduce((sum, { ms }) => sum + ms, 0);
  return {
    messages: calls.length > 0 ? session.conversation() : [...opening],
    turns_used: session.attempted,
    finished_naturally: reason === "completed" && end.exitCode === 0,
    reasoning_per_turn: answers.map(({ message }) => message.reasoning_content ?? null),
    tool_errors: [],
    managed_state: null,
    stop_reason: reason,
    error,
    usage: calls.length > 0 ? session.usage : noUsage(),
    timings: {
      total_ms: end.ms,
      model_ms: modelMs,
      tool_ms: Math.max(0, end.ms - modelMs),
      turns: calls.map(({ answer, ms }, at) => ({
        turn: at + 1,
        finish_reason: answer.choices[0]!.finish_reason,
        usage: answer.usage,
        model_ms: ms,
        attempts: answer.attempts,
        tools: [],
      })),
    },
  };
}

function stopOf(session: ProxySession, end: ProgramEnd, signal: AbortSignal) {
  const stop = (reason: StopReason, error: LachesisError | null = null) => ({ reason, error });
  if (signal.aborted) {
    const { reason } = signal;
    const cause =
      reason instanceof LachesisError ? reason : new LachesisError("cancelled", "The rollout was cancelled.");
    return stop("cancelled", cause);
  }
  if (end.error) return stop("cancelled", end.error);
  const { lastError, budgetEnded } = session;
  if (lastError?.code === "context_overflow" || lastError?.code === "prompt_too_long") {
    return stop("context_overflow", lastError);
  }
  // The program was not answered: whatever it did then is not what the policy led it to.
  if (lastError) return stop("model_error", lastError);
  if (end.timedOut) return stop("time_budget");
  if (budgetEnded) return stop(budgetEnded);
  const last = session.calls.at(-1)?.answer.choices[0];
  return stop(last?.finish_reason === "length" ? "max_tokens" : "completed");
}

/** The outcome of a program that asked the model nothing: there is nothing to score. null where it did. */
export function outcomeWithoutCalls(session: ProxySession, end: ProgramEnd): Outcome | null {
  if (session.attempted > 0 || session.budgetEnded) return null;
  const said = end.output.trim() === "" ? "" : ` Its output: ${end.output.trim().slice(-500)}`;
  if (end.exitCode === 126 || end.exitCode === 127) {
    const message = `env.harness_command cannot be run in the sandbox (exit code ${end.exitCode}).${said}`;
    return { kind: "aborted", error: new LachesisError("not_found", message).toJSON() };
  }
  const how = end.timedOut ? "ran out of time" : `ended with exit code ${end.exitCode ?? "none (it was killed)"}`;
  const message = `env.harness_command ${how} without one call to the model.${said}`;
  return { kind: "unscored", reason: "no_model_call", error: new LachesisError("tool_failed", message).toJSON() };
}
