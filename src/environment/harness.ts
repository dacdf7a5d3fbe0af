/**
 * Runs an agent program in the rollout's sandbox in place of the built-in loop. The program has a session of its own on a
 * proxy of its own; the sandbox reaches that session through a forwarded socket and nothing else. Every call is captured,
 * budgets hold at the wire, and when the program ends nothing of it goes on.
 */
import type { AgentResult } from "../agent/index.ts";
import {
  type ChatMessage,
  deriveSeed,
  LachesisError,
  type ToolSchema,
  textOf,
  toLachesisError,
} from "../core/index.ts";
import type { Outcome } from "../evaluation/index.ts";
import { type OpenedSession, type SessionProxy, startProxy } from "../inference/index.ts";
import type { Sandbox } from "../sandbox/index.ts";
import type { AgentEnvConfig } from "./fields.ts";
import { SOCKET_INSIDE, startBridge } from "./harness-bridge.ts";
import { harnessResult, outcomeWithoutCalls, type ProgramEnd } from "./harness-result.ts";
import type { Rollout } from "./rollout.ts";

/** Bytes of the program's output that are read, and characters of its end that are kept. */
const OUTPUT_BYTES = 4 * 1024 * 1024;
const KEPT_CHARS = 4000;
/** A longer variable would keep the program from starting. */
const MOST_VARIABLE_BYTES = 100_000;

export interface HarnessRun {
  result: AgentResult;
  /** Set where there is nothing to score. */
  outcome: Outcome | null;
  /** The tools that the program offered to the model. */
  tools: readonly ToolSchema[];
  /** Kept beside the conversation. */
  metadata: { harness: Record<string, unknown> };
}

/**
 * @example
 * const harness = await Harness.open(settings, rollout);
 * try {
 *   const sandbox = await createSandbox({ sockets: harness.sockets });
 *   const { result } = await harness.run(messages, sandbox);
 * } finally {
 *   await harness.close();
 * }
 */
export class Harness {
  readonly #proxy: SessionProxy;
  readonly #opened: OpenedSession;
  readonly #settings: AgentEnvConfig;
  readonly #rollout: Rollout;

  private constructor(proxy: SessionProxy, opened: OpenedSession, settings: AgentEnvConfig, rollout: Rollout) {
    this.#proxy = proxy;
    this.#opened = opened;
    this.#settings = settings;
    this.#rollout = rollout;
  }

  /** Opens the rollout's session, before its sandbox is made. */
  static async open(settings: AgentEnvConfig, rollout: Rollout): Promise<Harness> {
    const { server } = rollout.session;
    const proxy = await startProxy({ chatServer: server, port: null, socket: true, model: "policy" });
    const { max_token_length, extra_body, cost_budget_usd, token_budget, max_trajectory_tokens } = settings;
    const opened = await proxy.createSession({
      server,
      tool_parser: settings.tool_call_parser,
      budgets: {
        max_turns: settings.max_agent_turns,
        token_budget,
        max_trajectory_tokens,
        cost_budget_usd,
        max_tokens: max_token_length,
      },
      ...(max_token_length !== null && { defaultMaxTokens: max_token_length }),
      sampling: {
        temperature: rollout.temperature,
        split: rollout.split,
        seed: (call) => deriveSeed(rollout.seed, "turn", call),
        ...(extra_body && { extra_body }),
      },
    });
    return new Harness(proxy, opened, settings, rollout);
  }

  /** For the options of the sandbox. */
  get sockets(): Record<string, string> {
    return { [SOCKET_INSIDE]: this.#proxy.socketPath! };
  }

  /** Runs the program to its end. Throws what the sandbox throws before the program starts. */
  async run(opening: readonly ChatMessage[], sandbox: Sandbox): Promise<HarnessRun> {
    const folder = await temporaryFolder(sandbox);
    const bridge = await startBridge(sandbox, sandbox.isolated ? SOCKET_INSIDE : this.#proxy.socketPath!, folder);
    const { session, uuid } = this.#opened;
    let end: ProgramEnd;
    try {
      end = await this.#program(sandbox, await this.#variables(opening, sandbox, folder, bridge.port));
    } finally {
      // In this order: what the program left running can neither ask any more nor add to what was captured.
      await this.#proxy.endSession(uuid);
      await bridge.close().catch((error: unknown) => this.#sandboxIsGone(error));
    }
    const { exitCode, timedOut, output } = end;
    const tools = session.calls.at(-1)?.tools ?? [];
    return {
      result: harnessResult(session, opening, end, this.#rollout.signal),
      outcome: this.#rollout.signal.aborted || end.error ? null : outcomeWithoutCalls(session, end),
      tools,
      metadata: { harness: { exit_code: exitCode, timed_out: timedOut, output, calls: session.calls.length, tools } },
    };
  }

  async close(): Promise<void> {
    await this.#proxy.close();
  }

  async #program(sandbox: Sandbox, env: Record<string, string>): Promise<ProgramEnd> {
    const { harness_command, time_budget_s } = this.#settings;
    const started = performance.now();
    const facts = { exitCode: null, timedOut: false, output: "" };
    try {
      const { exitCode, timedOut, stdout } = await sandbox.exec(["sh", "-c", harness_command ?? ""], {
        env,
        mergeOutput: true,
        maxBytes: OUTPUT_BYTES,
        signal: this.#rollout.signal,
        ...(time_budget_s !== null && { timeoutMs: time_budget_s * 1000 }),
      });
      const output = stdout.slice(-KEPT_CHARS).replaceAll(this.#opened.api_key, "[redacted]");
      return { exitCode, timedOut, output, ms: performance.now() - started, error: null };
    } catch (error) {
      return { ...facts, ms: performance.now() - started, error: toLachesisError(error, "sandbox_died") };
    }
  }

  /** Writes the task down and gives the program's environment. */
  async #variables(
    opening: readonly ChatMessage[],
    sandbox: Sandbox,
    folder: string,
    port: number,
  ): Promise<Record<string, string>> {
    const prompt = opening
      .filter(({ role }) => role === "user")
      .map(({ content }) => textOf(content))
      .join("\n\n");
    const system = opening.find(({ role }) => role === "system");
    await sandbox.writeFile(`${folder}/prompt.txt`, prompt);
    await sandbox.writeFile(`${folder}/messages.json`, JSON.stringify(opening));
    const { uuid, api_key, session } = this.#opened;
    const root = `http://127.0.0.1:${port}/${uuid}`;
    const fits = (text: string) => Buffer.byteLength(text) <= MOST_VARIABLE_BYTES;
    return {
      OPENAI_BASE_URL: `${root}/v1`,
      OPENAI_API_BASE: `${root}/v1`,
      OPENAI_API_KEY: api_key,
      OPENAI_MODEL: session.model,
      ANTHROPIC_BASE_URL: root,
      ANTHROPIC_API_KEY: api_key,
      ANTHROPIC_MODEL: session.model,
      LACHESIS_MODEL: session.model,
      LACHESIS_PROMPT_FILE: `${folder}/prompt.txt`,
      LACHESIS_MESSAGES_FILE: `${folder}/messages.json`,
      ...(fits(prompt) && { LACHESIS_PROMPT: prompt }),
      ...(system && fits(textOf(system.content)) && { LACHESIS_SYSTEM_PROMPT: textOf(system.content) }),
      NO_PROXY: "127.0.0.1,localhost",
      no_proxy: "127.0.0.1,localhost",
    };
  }

  /** A bridge that cannot be ended because its sandbox is gone has ended; anything else is a fault. */
  #sandboxIsGone(thrown: unknown): void {
    if (!(thrown instanceof LachesisError) || thrown.fault !== "sandbox") throw thrown;
  }
}

async function temporaryFolder(sandbox: Sandbox): Promise<string> {
  const { stdout, exitCode } = await sandbox.exec(["sh", "-c", "mktemp -d"], { timeoutMs: 30_000 });
  const folder = stdout.trim();
  if (exitCode !== 0 || !folder.startsWith("/")) {
    throw new LachesisError(
      "unsupported",
      "No temporary folder can be made in the sandbox (mktemp -d); harness: command needs one.",
    );
  }
  return folder;
}
