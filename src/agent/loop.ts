/**
 * The multi-turn loop: the model answers, its tool calls run, their results go back, until it stops calling or a limit
 * is reached. `run` never throws: every end has a stop reason. Every tool call in the history is answered, with ids
 * that are unique in the conversation.
 */
import {
  addUsage,
  type ChatMessage,
  deriveSeed,
  errorMessage,
  LachesisError,
  noUsage,
  type ToolCall,
  type ToolSchema,
  textOf,
  toLachesisError,
} from "../core/index.ts";
import type { ChatChoice, ChatCompletion, ChatServer } from "../inference/index.ts";
import { type AgentBudgets, BudgetMeter } from "./budget.ts";
import type { AgentResult, StopReason, ToolCallTiming, ToolErrorRecord } from "./contract.ts";
import { normalizeToolCalls, turnSignature } from "./tool-calls.ts";
import type { ToolHandler, ToolOutcome } from "./tool-handler.ts";

export interface AgentLoopOptions {
  /** Answers the model calls: a server manager, a session, or an object of the caller's own. */
  server: ChatServer;
  /** The tools that are offered. Empty: a single answer. */
  tools?: readonly ToolSchema[];
  /** Runs the calls. Needed when tools are offered. */
  handler?: ToolHandler;
  /** Default 30. */
  maxTurns?: number;
  /** Default 1. */
  temperature?: number;
  /** Tokens of one answer. null: the server's own limit. */
  maxTokens?: number | null;
  budgets?: AgentBudgets;
  /** Merged into each request's body. */
  extraBody?: Record<string, unknown> | null;
  /** Seed of the rollout; each turn samples with a seed derived from it. null: none is sent. */
  seed?: number | null;
  /** Which slots of the servers are used. Default "train". */
  split?: "train" | "eval";
  /** The format in which calls are looked for in the text of an answer that has no structured ones. Default hermes. */
  toolCallParser?: string;
  /** How many times in a row the same calls may give the same results before the loop stops. 0: no limit. Default 5. */
  repeatLimit?: number;
  signal?: AbortSignal;
}

/**
 * Runs an agent, inside an environment or on its own.
 * @example
 * const loop = new AgentLoop({
 *   server: new ServerManager([{ base_url: "http://localhost:9001/v1", model_name: "tiny" }]),
 *   tools: [{ type: "function", function: { name: "now", description: "The time", parameters: { type: "object" } } }],
 *   handler: { execute: async () => ({ content: new Date().toISOString() }) },
 * });
 * const result = await loop.run([{ role: "user", content: "What time is it?" }]);
 */
export class AgentLoop {
  readonly #options: AgentLoopOptions;

  constructor(options: AgentLoopOptions) {
    if (options.tools?.length && !options.handler) {
      throw new LachesisError(
        "config_invalid",
        "AgentLoop: `tools` are offered but there is no `handler` to run them.",
      );
    }
    this.#options = options;
  }

  /** The given messages are not changed; the result holds a new list. */
  async run(messages: readonly ChatMessage[]): Promise<AgentResult> {
    return new Run(this.#options, messages).toEnd();
  }
}

/** An end that an answer or a tool brings about; null goes on. */
interface End {
  reason: StopReason;
  error?: LachesisError;
}

class Run {
  readonly #options: AgentLoopOptions;
  readonly #messages: ChatMessage[];
  readonly #meter: BudgetMeter;
  readonly #callIds = new Set<string>();
  readonly #reasoning: (string | null)[] = [];
  readonly #toolErrors: ToolErrorRecord[] = [];
  readonly #timings: AgentResult["timings"] = { total_ms: 0, model_ms: 0, tool_ms: 0, turns: [] };
  readonly #started = performance.now();
  readonly #cancel: AbortController | null;
  readonly #signal: AbortSignal;
  #timeIsUp = false;
  #usage = noUsage();
  #turns = 0;
  /** Messages before this place have been seen by a call. */
  #seen = 0;
  #lastSignature = "";
  #repeats = 0;

  constructor(options: AgentLoopOptions, messages: readonly ChatMessage[]) {
    this.#options = options;
    this.#messages = [...messages];
    this.#meter = new BudgetMeter(options.budgets ?? {});
    for (const message of messages) for (const call of message.tool_calls ?? []) this.#callIds.add(call.id);
    // A controller of its own is made only where there is a time budget: thousands of rollouts run at once.
    this.#cancel = options.budgets?.timeMs == null ? null : new AbortController();
    this.#signal = this.#cancel
      ? AbortSignal.any([this.#cancel.signal, ...(options.signal ? [options.signal] : [])])
      : (options.signal ?? neverAborted);
  }

  async toEnd(): Promise<AgentResult> {
    const timeMs = this.#options.budgets?.timeMs;
    const timer = timeMs == null ? null : setTimeout(() => this.#stopForTime(), timeMs);
    let end: End;
    try {
      end = await this.#turnsUntilEnd();
    } catch (error) {
      end = this.#endOf(error);
    } finally {
      if (timer) clearTimeout(timer);
    }
    this.#timings.total_ms = performance.now() - this.#started;
    return {
      messages: this.#messages,
      turns_used: this.#turns,
      finished_naturally: end.reason === "completed",
      reasoning_per_turn: this.#reasoning,
      tool_errors: this.#toolErrors,
      managed_state: null,
      stop_reason: end.reason,
      error: end.error ?? null,
      usage: this.#usage,
      timings: this.#timings,
    };
  }

  async #turnsUntilEnd(): Promise<End> {
    const { maxTurns = 30 } = this.#options;
    for (;;) {
      if (this.#signal.aborted) throw this.#signal.reason;
      if (this.#turns >= maxTurns) return { reason: "max_turns" };
      const end = await this.#turn();
      if (end) return end;
    }
  }

  async #turn(): Promise<End | null> {
    const { server, tools = [], handler, maxTokens = null, seed, extraBody, split = "train" } = this.#options;
    const request = {
      messages: this.#messages,
      ...(tools.length > 0 && { tools }),
      temperature: this.#options.temperature ?? 1,
      ...(seed != null && { seed: deriveSeed(seed, "turn", this.#turns) }),
      ...(extraBody && { extra_body: extraBody }),
      split,
      signal: this.#signal,
    };
    const prompt = this.#meter.limitsLength
      ? (server.promptTokens?.(request) ?? this.#meter.estimatePrompt(this.#messages.slice(this.#seen)))
      : 0;
    const budget = this.#meter.next(this.#usage, prompt, maxTokens);
    if (budget.stop !== null) return { reason: budget.stop };

    this.#turns++;
    const started = performance.now();
    const answer = await server.chatCompletion({
      ...request,
      ...(budget.maxTokens !== null && { max_tokens: budget.maxTokens }),
    });
    const modelMs = performance.now() - started;
    const choice = this.#record(answer, modelMs);
    const { message, calls, problems } = await this.#assistantMessage(choice, tools);
    this.#meter.record(answer.usage ?? noUsage(), prompt, message);
    this.#messages.push(message);
    this.#seen = this.#messages.length;
    this.#reasoning.push(message.reasoning_content ?? null);
    for (const problem of problems) this.#noteToolError({ name: "", arguments: "" }, 0, problem, "");

    if (choice.finish_reason === "content_filter") {
      this.#answerUnrun(calls, "Not run: the answer was cut by the provider's content filter.");
      const error = new LachesisError("content_filter", "The provider's content filter cut the answer.");
      return { reason: "model_error", error };
    }
    if (choice.finish_reason === "length") {
      this.#answerUnrun(calls, "Not run: the answer was cut at its token limit.");
      return { reason: budget.clamped ? "token_budget" : "max_tokens" };
    }
    if (calls.length === 0) return { reason: "completed" };
    if (!handler) {
      this.#answerUnrun(calls, "No tools are available. Answer without calling tools.");
      return this.#repeated(calls, []) ? { reason: "tool_loop" } : null;
    }
    const contents = await this.#runCalls(calls, handler);
    return this.#repeated(calls, contents) ? { reason: "tool_loop" } : null;
  }

  /** Adds the answer to usage and timings and gives the choice that counts. */
  #record(answer: ChatCompletion, modelMs: number) {
    const choice = answer.choices[0];
    if (!choice) throw new LachesisError("empty_response", "The model's answer has no choices.");
    const usage = answer.usage ?? noUsage();
    this.#usage = this.#turns === 1 ? usage : addUsage(this.#usage, usage);
    this.#timings.model_ms += modelMs;
    this.#timings.turns.push({
      turn: this.#turns,
      finish_reason: choice.finish_reason,
      usage,
      model_ms: modelMs,
      attempts: answer.attempts ?? 1,
      tools: [],
    });
    return choice;
  }

  /** The message as it enters the history, with calls that stood in the text where the server gave no structured ones. */
  async #assistantMessage({ message: raw, problems: known }: ChatChoice, tools: readonly ToolSchema[]) {
    let content = raw.content === null ? "" : raw.content;
    let rawCalls: unknown = raw.tool_calls;
    let problems = known ?? [];
    const structured = known !== undefined || (Array.isArray(rawCalls) && rawCalls.length > 0);
    const text = textOf(content);
    if (!structured && tools.length > 0 && text !== "") {
      // Loaded late: there are many, and most servers parse calls themselves.
      const { getParser } = await import("../parsers/index.ts");
      const parsed = getParser(this.#options.toolCallParser ?? "hermes").parse(text, { tools });
      if (parsed.tool_calls.length > 0) {
        rawCalls = parsed.tool_calls;
        content = [parsed.content, parsed.rest].filter(Boolean).join("\n");
      } else {
        problems = parsed.problems.map((problem) => `${problem.reason}: ${problem.message}`);
      }
    }
    const calls = normalizeToolCalls(rawCalls, this.#callIds);
    const message: ChatMessage = {
      role: "assistant",
      content,
      ...(calls.length > 0 && { tool_calls: calls }),
      ...(raw.reasoning_content && { reasoning_content: raw.reasoning_content }),
    };
    return { message, calls, problems };
  }

  /** Starts the calls of a turn together and appends their results in the calls' order. */
  async #runCalls(calls: readonly ToolCall[], handler: ToolHandler): Promise<string[]> {
    const started = performance.now();
    const ran = await Promise.all(calls.map((call, index) => this.#runCall(call, index, handler)));
    const fatal = ran.find((outcome) => outcome.fatal)?.fatal;
    const sent = fatal || !handler.fitTurn ? ran : await handler.fitTurn(ran);
    const contents = sent.map((outcome) => outcome.content);
    calls.forEach((call, index) => {
      const content = contents[index]!;
      this.#messages.push({ role: "tool", tool_call_id: call.id, name: call.function.name, content });
    });
    this.#timings.turns.at(-1)!.tools = ran.map(({ timing }, index) => ({
      ...timing,
      sent_chars: contents[index]!.length,
    }));
    this.#timings.tool_ms += performance.now() - started;
    if (fatal) throw fatal;
    return contents;
  }

  async #runCall(
    call: ToolCall,
    index: number,
    handler: ToolHandler,
  ): Promise<ToolOutcome & { timing: ToolCallTiming }> {
    const started = performance.now();
    let outcome: ToolOutcome;
    try {
      outcome = await handler.execute(call, { turn: this.#turns, index, signal: this.#signal });
    } catch (error) {
      const kind = error instanceof Error ? error.name : "Error";
      const text = `Tool execution failed: ${kind}: ${errorMessage(error)}`;
      outcome = { content: JSON.stringify({ error: text }), error: text };
    }
    if (outcome.error) this.#noteToolError(call.function, index, outcome.error, outcome.content);
    const chars = outcome.content.length;
    const timing = {
      name: call.function.name,
      ms: performance.now() - started,
      result_chars: chars,
      sent_chars: chars,
    };
    return hasTiming(outcome) ? outcome : Object.assign(outcome, { timing });
  }

  #noteToolError(call: ToolCall["function"], index: number, error: string, result: string): void {
    this.#toolErrors.push({
      turn: this.#turns,
      call_index: index,
      tool_name: call.name,
      arguments: call.arguments.slice(0, 200),
      error,
      tool_result: result.slice(0, 500),
    });
  }

  /** Answers calls that will not run: a history with open calls is refused by strict servers. */
  #answerUnrun(calls: readonly ToolCall[], why: string): void {
    for (const call of calls) {
      this.#messages.push({
        role: "tool",
        tool_call_id: call.id,
        name: call.function.name,
        content: JSON.stringify({ error: why }),
      });
    }
  }

  #repeated(calls: readonly ToolCall[], contents: readonly string[]): boolean {
    const limit = this.#options.repeatLimit ?? 5;
    const signature = turnSignature(calls, contents);
    this.#repeats = signature === this.#lastSignature ? this.#repeats + 1 : 1;
    this.#lastSignature = signature;
    return limit > 0 && this.#repeats >= limit;
  }

  #stopForTime(): void {
    this.#timeIsUp = true;
    this.#cancel?.abort(new LachesisError("cancelled", "The rollout's time budget is used up."));
  }

  #endOf(thrown: unknown): End {
    if (this.#options.signal?.aborted) {
      const { reason } = this.#options.signal;
      const error =
        reason instanceof LachesisError ? reason : new LachesisError("cancelled", "The rollout was cancelled.");
      return { reason: "cancelled", error };
    }
    if (this.#timeIsUp) return { reason: "time_budget" };
    const error = toLachesisError(thrown);
    if (error.code === "context_overflow" || error.code === "prompt_too_long")
      return { reason: "context_overflow", error };
    // A sandbox that died stops the rollout from outside; the model did nothing wrong.
    return { reason: error.fault === "sandbox" ? "cancelled" : "model_error", error };
  }
}

function hasTiming(outcome: ToolOutcome): outcome is ToolOutcome & { timing: ToolCallTiming } {
  return outcome.timing !== undefined;
}

const neverAborted = new AbortController().signal;
