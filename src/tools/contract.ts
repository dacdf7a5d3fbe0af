/**
 * What a tool is and what it is given. A tool never reads process-wide state: everything about the rollout hangs on its
 * context. Tools return a string or an object that is sent to the model as JSON.
 */
import type { z } from "zod";
import type { JsonSchema, Logger } from "../core/index.ts";
import type { Sandbox } from "../sandbox/index.ts";

/** Settings of the environment that tools obey. */
export interface ToolSettings {
  /** Seconds a foreground command may run when the model names no time-out. */
  terminal_timeout: number;
  /** Largest `timeout` that the model may ask for, in seconds. */
  terminal_max_timeout: number;
  redact_tool_output: boolean;
}

/** The rollout as its tools see it. One per rollout; `call` fields are set anew for each call. */
export interface ToolCallContext {
  readonly rolloutId: string;
  readonly settings: ToolSettings;
  /** The rollout's sandbox, made on first use. */
  sandbox(): Promise<Sandbox>;
  /** True once the sandbox exists; a tool that only looks (such as `process list`) need not make one. */
  hasSandbox(): boolean;
  /** State that a tool keeps for the rollout, by key; `dispose` runs at the rollout's end, before the sandbox is destroyed. */
  state<T>(key: string, create: () => T, dispose?: (value: T) => void | Promise<void>): T;
  /** First 500 characters of the first user message, or null. */
  readonly userTask: string | null;
  readonly callId: string;
  readonly signal: AbortSignal;
  readonly logger: Logger;
}

export interface Tool {
  readonly name: string;
  readonly toolset: string;
  readonly description: string;
  /** JSON Schema of an object. */
  readonly parameters: JsonSchema;
  /** Longest result in characters before it is put aside in the sandbox; null for the environment's default, Infinity for never. */
  readonly maxResultChars?: number | null;
  /** Why the tool cannot work here, or null. A tool that cannot work is not offered to the model. */
  unavailable?(): Promise<string | null> | string | null;
  /** Environment variables (keys) that it needs. */
  readonly requiresEnv?: readonly string[];
  /**
   * True for tools that change what other tools see: such a call runs after the calls before it and before the calls
   * after it, even when the calls of a turn are started together. Calls that are not exclusive run side by side.
   */
  readonly exclusive?: boolean;
  /** The result of a call that could not be run, where it has a shape of its own; default `{ error }`. */
  refused?(error: string): object;
  /** Calls are checked and coerced before this is called. Throwing gives the model an error and counts as a tool error. */
  execute(args: Record<string, unknown>, context: ToolCallContext): Promise<string | object> | string | object;
}

export interface ToolDefinition<Schema extends z.ZodObject> {
  name: string;
  description: string;
  toolset: string;
  parameters: Schema;
  maxResultChars?: number | null;
  requiresEnv?: readonly string[];
  exclusive?: boolean;
  refused?: Tool["refused"];
  unavailable?: Tool["unavailable"];
  execute(args: z.infer<Schema>, context: ToolCallContext): Promise<string | object> | string | object;
}
