/**
 * What the tools of one rollout share: its sandbox, made on first use, and the state that tools keep. Nothing here
 * outlives the rollout: `close` disposes of every state, newest first, and then destroys the sandbox, and a sandbox whose
 * creation was still under way is destroyed as soon as it exists.
 */
import { LachesisError, type Logger, logger, toLachesisError } from "../core/index.ts";
import type { Sandbox } from "../sandbox/index.ts";
import type { ToolCallContext, ToolSettings } from "./contract.ts";

export const DEFAULT_TOOL_SETTINGS: ToolSettings = {
  terminal_timeout: 120,
  terminal_max_timeout: 600,
  redact_tool_output: false,
};

export interface RolloutToolsOptions {
  rolloutId: string;
  /** Makes the rollout's sandbox; called at most once, when the first tool or the reward code needs it. */
  createSandbox(signal: AbortSignal): Promise<Sandbox>;
  settings?: Partial<ToolSettings>;
  /** First 500 characters of the first user message, or null. */
  userTask?: string | null;
  logger?: Logger;
  /** Ends the creation of the sandbox; each call has a signal of its own. */
  signal?: AbortSignal;
}

/** One for all: its stack says nothing, and taking one for every rollout is not free. */
const OVER = new LachesisError("cancelled", "The rollout is over.");

interface State {
  value: unknown;
  dispose: ((value: never) => void | Promise<void>) | undefined;
}

/**
 * The rollout's side of its tools. One per rollout; the agent loop and the reward code share it.
 * @example
 * const rollout = new RolloutTools({ rolloutId: "r1", createSandbox: () => createSandbox({ backend: "local" }) });
 * try { … } finally { await rollout.close(); }
 */
export class RolloutTools {
  readonly rolloutId: string;
  readonly settings: ToolSettings;
  userTask: string | null;
  readonly logger: Logger;
  readonly #create: (signal: AbortSignal) => Promise<Sandbox>;
  readonly #states = new Map<string, State>();
  readonly #ending = new AbortController();
  readonly #signal: AbortSignal;
  #sandbox: Promise<Sandbox> | null = null;
  #fatal: LachesisError | null = null;
  #closing: Promise<void> | null = null;

  constructor(options: RolloutToolsOptions) {
    this.rolloutId = options.rolloutId;
    this.settings = { ...DEFAULT_TOOL_SETTINGS, ...options.settings };
    this.userTask = options.userTask ?? null;
    this.logger = options.logger ?? logger;
    this.#create = options.createSandbox;
    this.#signal = options.signal ? AbortSignal.any([options.signal, this.#ending.signal]) : this.#ending.signal;
  }

  /** The rollout's sandbox. Throws what its creation threw (every later call throws the same), or `sandbox_closed`. */
  sandbox(): Promise<Sandbox> {
    if (this.#closing)
      return Promise.reject(new LachesisError("sandbox_closed", "The rollout is over; it has no sandbox any more."));
    this.#sandbox ??= this.#make();
    return this.#sandbox;
  }

  /** True once the sandbox was asked for. */
  hasSandbox(): boolean {
    return this.#sandbox !== null;
  }

  /** Why the sandbox cannot be used any more (it was not made, or it died); null while all is well. */
  get fatal(): LachesisError | null {
    return this.#fatal;
  }

  /** The value under `key`, made by `create` the first time. */
  state<T>(key: string, create: () => T, dispose?: (value: T) => void | Promise<void>): T {
    const known = this.#states.get(key);
    if (known) return known.value as T;
    const value = create();
    this.#states.set(key, { value, dispose: dispose as State["dispose"] });
    return value;
  }

  /** The context of one tool call. */
  context(call: { callId: string; signal: AbortSignal }): ToolCallContext {
    return {
      rolloutId: this.rolloutId,
      settings: this.settings,
      sandbox: () => this.sandbox(),
      hasSandbox: () => this.hasSandbox(),
      state: (key, create, dispose) => this.state(key, create, dispose),
      userTask: this.userTask,
      callId: call.callId,
      signal: call.signal,
      logger: this.logger,
    };
  }

  /** Disposes of all state and destroys the sandbox. Safe to call twice; never throws, failures are logged. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #make(): Promise<Sandbox> {
    try {
      const sandbox = await this.#create(this.#signal);
      void sandbox.closed.then((error) => {
        if (error && !this.#closing) this.#fatal ??= toLachesisError(error, "sandbox_died");
      });
      return sandbox;
    } catch (error) {
      this.#fatal = toLachesisError(error, "sandbox_create");
      throw this.#fatal;
    }
  }

  async #close(): Promise<void> {
    this.#ending.abort(OVER);
    for (const [key, state] of [...this.#states].reverse()) {
      try {
        await (state.dispose as ((value: unknown) => void | Promise<void>) | undefined)?.(state.value);
      } catch (error) {
        this.logger.warn(
          { rollout: this.rolloutId, state: key, error: String(error) },
          "a tool's state could not be disposed of",
        );
      }
    }
    this.#states.clear();
    const pending = this.#sandbox;
    if (!pending) return;
    let sandbox: Sandbox;
    try {
      sandbox = await pending;
    } catch {
      return; // it was never made; `fatal` holds the reason
    }
    try {
      await sandbox.destroy();
    } catch (error) {
      this.logger.error({ rollout: this.rolloutId, error: String(error) }, "the sandbox could not be destroyed");
    }
  }
}
