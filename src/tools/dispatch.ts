/**
 * Runs the tool calls of an agent. `execute` never throws: whatever the model wrote and whatever the tool did, there is a
 * text to answer the call with. Only what ends the rollout (its sandbox is gone) is reported apart, as `fatal`.
 */
import {
  errorMessage,
  isObject,
  LachesisError,
  Semaphore,
  type ToolCall,
  type ToolSchema,
  toLachesisError,
} from "../core/index.ts";
import { prepareArguments } from "./arguments.ts";
import { CallOrder } from "./call-order.ts";
import type { Tool } from "./contract.ts";
import { endsRollout } from "./fatal.ts";
import { withNotices } from "./notices.ts";
import { withoutSecrets } from "./redaction.ts";
import type { ResultBudget, SizedResult } from "./result-budget.ts";
import type { RolloutTools } from "./rollout-context.ts";
import { toolSchemas } from "./schemas.ts";

/** What became of one call. */
export interface ToolCallOutcome {
  /** The text of the tool message. */
  content: string;
  /** True when it counts as a tool error (see ToolErrorRecord). */
  isError: boolean;
  /** Why, when `isError`. */
  error?: string;
  /** Set when the rollout cannot go on: its sandbox could not be made, or died. */
  fatal?: LachesisError;
  timing: { name: string; ms: number; result_chars: number; sent_chars: number };
}

export interface ToolCallPlace {
  /** 1-based. */
  turn: number;
  /** 0-based place among the calls of its turn. */
  index: number;
  signal: AbortSignal;
}

/**
 * What the agent loop needs of tools. All calls of a turn may be started together, in their order: calls that change
 * what others see wait for their turn by themselves.
 */
export interface ToolHandler {
  /** Sorted by name; empty when no tool is offered. */
  readonly schemas: readonly ToolSchema[];
  execute(call: ToolCall, place: ToolCallPlace): Promise<ToolCallOutcome>;
  /** Brings the results of one turn under the turn's budget, largest first; gives new outcomes in the same order. */
  fitTurn(outcomes: readonly ToolCallOutcome[]): Promise<ToolCallOutcome[]>;
}

export interface ToolHandlerOptions {
  tools: readonly Tool[];
  /** The rollout that the calls belong to. */
  context: RolloutTools;
  /** null: results are never cut. */
  budget?: ResultBudget | null;
  /** Places for tool calls shared by the process (tool_pool_size). */
  pool?: Semaphore;
  /** Places for the calls of this handler alone, when there is no shared pool. */
  poolSize?: number;
}

/** Names that the model may know from elsewhere and that have no meaning in a rollout. */
const NEVER_HERE = new Map([
  ["memory", "Memory is not available in RL environments."],
  ["session_search", "Session search is not available in RL environments."],
]);

/**
 * Makes the handler of one rollout.
 * @example
 * const handler = createToolHandler({ tools, context: rollout, budget: new ResultBudget() });
 * const { content } = await handler.execute(call, { turn: 1, index: 0, signal });
 */
export function createToolHandler(options: ToolHandlerOptions): ToolHandler {
  const { context, budget = null } = options;
  const byName = new Map(options.tools.map((tool) => [tool.name, tool]));
  const pool = options.pool ?? (options.poolSize === undefined ? null : new Semaphore(options.poolSize));
  const order = new CallOrder();
  const sized = new WeakMap<ToolCallOutcome, SizedResult>();

  async function run(
    tool: Tool,
    args: Record<string, unknown>,
    call: ToolCall,
    signal: AbortSignal,
  ): Promise<string | object> {
    const work = async () => {
      signal.throwIfAborted();
      return await tool.execute(args, context.context({ callId: call.id, signal }));
    };
    const leave = await order.enter(tool.exclusive ?? false);
    try {
      return await (pool ? pool.run(work, signal) : work());
    } finally {
      leave();
    }
  }

  async function execute(call: ToolCall, { signal }: ToolCallPlace): Promise<ToolCallOutcome> {
    const started = performance.now();
    const name = call.function.name;
    const answer = (content: string, error?: string, fatal?: LachesisError): ToolCallOutcome => ({
      content,
      isError: error !== undefined,
      ...(error === undefined ? {} : { error }),
      ...(fatal ? { fatal } : {}),
      timing: { name, ms: performance.now() - started, result_chars: content.length, sent_chars: content.length },
    });
    const tool = byName.get(name);
    const refuse = (error: string, fatal?: LachesisError) =>
      answer(JSON.stringify(tool?.refused?.(error) ?? { error }), error, fatal);
    if (!tool) {
      const names = [...byName.keys()].sort().join(", ");
      return refuse(NEVER_HERE.get(name) ?? `Unknown tool '${name}'. Available tools: [${names}]`);
    }
    const prepared = prepareArguments(tool.parameters, call.function.arguments);
    if (!prepared.ok) return refuse(prepared.error);

    let result: string | object;
    try {
      result = await run(tool, prepared.args, call, signal);
      if (context.settings.redact_tool_output) result = withoutSecrets(result);
    } catch (thrown) {
      const error = toLachesisError(thrown, "tool_failed");
      const fatal = context.fatal ?? (endsRollout(error) ? error : null);
      if (fatal) return refuse(`The sandbox is gone: ${fatal.message}`, fatal);
      if (error.code === "cancelled" || signal.aborted) return refuse("Tool execution was cancelled.");
      return refuse(failure(thrown, error));
    }
    if (context.fatal) return refuse(`The sandbox is gone: ${context.fatal.message}`, context.fatal);

    const error = toolError(result);
    result = withNotices(result, context);
    const text = typeof result === "string" ? result : (JSON.stringify(result) ?? "null");
    try {
      const fitted = budget ? await budget.fit({ tool, callId: call.id, text, result }, context) : null;
      const outcome = answer(fitted?.content ?? text, error);
      outcome.timing.result_chars = text.length;
      if (fitted) sized.set(outcome, fitted);
      return outcome;
    } catch (thrown) {
      const fatal = toLachesisError(thrown, "tool_failed");
      return refuse(`Tool execution failed: ${fatal.message}`, endsRollout(fatal) ? fatal : undefined);
    }
  }

  async function fitTurn(outcomes: readonly ToolCallOutcome[]): Promise<ToolCallOutcome[]> {
    if (!budget) return [...outcomes];
    const contents = await budget.fitTurn(
      outcomes.map((outcome) => sized.get(outcome) ?? { content: outcome.content, store: null }),
    );
    return outcomes.map((outcome, index) => {
      const content = contents[index] ?? outcome.content;
      return content === outcome.content
        ? outcome
        : { ...outcome, content, timing: { ...outcome.timing, sent_chars: content.length } };
    });
  }

  return { schemas: toolSchemas(options.tools), execute, fitTurn };
}

/** How a failure is put to the model. Errors of arguments speak for themselves. */
function failure(thrown: unknown, error: LachesisError): string {
  if (error.code === "tool_arguments") return error.message;
  const type = thrown instanceof LachesisError ? thrown.code : thrown instanceof Error ? thrown.name : typeof thrown;
  return `Tool execution failed: ${type}: ${errorMessage(thrown)}`;
}

/** The error that a tool reports in its result: `error` beside a negative or absent exit code. */
function toolError(result: string | object): string | undefined {
  let value: unknown = result;
  if (typeof result === "string") {
    if (!result.startsWith("{") || result.length > 10_000 || !result.includes('"error"')) return undefined;
    try {
      value = JSON.parse(result);
    } catch {
      return undefined; // plain text that only looks like JSON
    }
  }
  if (!isObject(value) || !value.error) return undefined;
  if (typeof value.exit_code === "number" && value.exit_code >= 0) return undefined;
  return typeof value.error === "string" ? value.error : JSON.stringify(value.error);
}
