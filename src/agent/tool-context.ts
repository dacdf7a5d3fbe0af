/**
 * The reward code's way into a rollout's sandbox. It goes straight to the sandbox: no guards, limits, numbering or
 * shortening that are meant for models, bytes stay bytes, and calls of different rollouts never wait for each other.
 * Failures are thrown as errors with a `code`; they are never a result that looks like one.
 */
import { stat } from "node:fs/promises";
import { isErrno, isObject, LachesisError, nearestName } from "../core/index.ts";
import type { FileStat, Sandbox } from "../sandbox/index.ts";
import { callToolDirectly, pathForVerifier, type RolloutTools, type SearchResult, type Tool } from "../tools/index.ts";

/** Output of one verifier command that is kept in memory. */
const MOST_OUTPUT_BYTES = 128 * 1024 * 1024;
const DEFAULT_TIMEOUT_S = 180;

export interface ToolContextOptions {
  rollout: RolloutTools;
  /** What `callTool` may call: every tool of the environment, offered to the model or not. */
  tools: readonly Tool[];
  /** Ends everything that is under way. */
  signal?: AbortSignal;
}

export interface TerminalOptions {
  /** Seconds; 180 unless given. */
  timeout?: number;
  /** Default: the sandbox's working directory. */
  cwd?: string;
  env?: Record<string, string>;
  stdin?: string | Uint8Array;
}

export interface CommandResult {
  /** 124 after the time-out, 137 when the command was killed otherwise. */
  exit_code: number;
  /** stdout and stderr in order, whole. */
  output: string;
  /** Present when the output was longer than 128 MiB and only its beginning is here. */
  truncated?: true;
}

/**
 * Relative paths start at the sandbox's working directory, wherever the agent's shell went; `~` is the sandbox user's
 * home. The sandbox is made on first use.
 * @example
 * async computeReward(item, result, ctx) {
 *   await ctx.uploadDir("tests", "/tmp/tests");
 *   const { exit_code } = await ctx.terminal("pytest -q /tmp/tests", { timeout: 300 });
 *   return exit_code === 0 ? 1 : 0;
 * }
 */
export class ToolContext {
  readonly #rollout: RolloutTools;
  readonly #tools: ReadonlyMap<string, Tool>;
  readonly #signal: AbortSignal;
  #calls = 0;

  constructor({ rollout, tools, signal }: ToolContextOptions) {
    this.#rollout = rollout;
    this.#tools = new Map(tools.map((tool) => [tool.name, tool]));
    this.#signal = signal ?? new AbortController().signal;
  }

  /** The sandbox itself, for what has no method here. */
  sandbox(): Promise<Sandbox> {
    return this.#rollout.sandbox();
  }

  /** Runs a bash command in a process of its own; it sees nothing of the agent's shell state. A failing command is a result, not an error. */
  async terminal(command: string, options: TerminalOptions = {}): Promise<CommandResult> {
    const sandbox = await this.#ready();
    const result = await sandbox.exec(command, {
      timeoutMs: (options.timeout ?? DEFAULT_TIMEOUT_S) * 1000,
      mergeOutput: true,
      maxBytes: MOST_OUTPUT_BYTES,
      signal: this.#signal,
      ...(options.cwd !== undefined && { cwd: await this.#path(sandbox, options.cwd) }),
      ...(options.env && { env: options.env }),
      ...(options.stdin !== undefined && { stdin: options.stdin }),
    });
    this.#mustGoOn();
    return {
      exit_code: result.timedOut ? 124 : (result.exitCode ?? 137),
      output: result.stdout,
      ...(result.truncated && { truncated: true as const }),
    };
  }

  /** A file's text, decoded as UTF-8; whole and unnumbered. */
  async readFile(path: string): Promise<{ content: string }> {
    return { content: new TextDecoder("utf-8", { ignoreBOM: true }).decode(await this.readBytes(path)) };
  }

  /** A file's bytes. */
  async readBytes(path: string): Promise<Uint8Array> {
    const sandbox = await this.#ready();
    return sandbox.readFile(await this.#path(sandbox, path));
  }

  /** Replaces a file's content; missing directories are made. */
  async writeFile(path: string, content: string | Uint8Array): Promise<{ bytes_written: number }> {
    const sandbox = await this.#ready();
    const bytes = typeof content === "string" ? Buffer.from(content) : content;
    await sandbox.writeFile(await this.#path(sandbox, path), bytes);
    return { bytes_written: bytes.length };
  }

  /** Searches file contents with a regular expression: the result of `search_files`, with all matches up to 10,000. */
  async search(query: string, path = "."): Promise<SearchResult> {
    const sandbox = await this.#ready();
    const full = await this.#path(sandbox, path);
    const result = (await this.callTool("search_files", { pattern: query, path: full, limit: 10_000 })) as SearchResult;
    if (result.error !== undefined) throw new LachesisError("tool_failed", `search: ${result.error}`);
    const prefix = `${sandbox.workdir.replace(/\/+$/, "")}/`;
    if (path.startsWith("/") || path.startsWith("~")) return result;
    const relative = (name: string) => (name.startsWith(prefix) ? name.slice(prefix.length) : name);
    return {
      ...result,
      ...(result.matches && { matches: result.matches.map((match) => ({ ...match, path: relative(match.path) })) }),
    };
  }

  /** Copies a host file into the sandbox; gives the bytes of content. */
  async uploadFile(hostPath: string, sandboxPath: string): Promise<{ bytes: number }> {
    await hostMustBe("file", hostPath);
    const sandbox = await this.#ready();
    return { bytes: await sandbox.upload(hostPath, await this.#path(sandbox, sandboxPath)) };
  }

  /** Copies the content of a host directory into a directory of the sandbox, with modes and empty directories. */
  async uploadDir(hostPath: string, sandboxPath: string): Promise<{ bytes: number }> {
    await hostMustBe("directory", hostPath);
    const sandbox = await this.#ready();
    return { bytes: await sandbox.upload(hostPath, await this.#path(sandbox, sandboxPath)) };
  }

  /** Copies a file out of the sandbox. */
  async downloadFile(sandboxPath: string, hostPath: string): Promise<{ bytes: number }> {
    return this.#download("file", sandboxPath, hostPath);
  }

  /** Copies a directory out of the sandbox: regular files and directories, without links, devices and set-id bits. */
  async downloadDir(sandboxPath: string, hostPath: string): Promise<{ bytes: number }> {
    return this.#download("directory", sandboxPath, hostPath);
  }

  webSearch(query: string, options: { limit?: number } = {}): Promise<object> {
    return this.#callForObject("web_search", { query, ...options });
  }

  webExtract(urls: readonly string[]): Promise<object> {
    return this.#callForObject("web_extract", { urls: [...urls] });
  }

  browserNavigate(url: string): Promise<object> {
    return this.#callForObject("browser_navigate", { url });
  }

  browserSnapshot(options: { full?: boolean } = {}): Promise<object> {
    return this.#callForObject("browser_snapshot", options);
  }

  /**
   * Calls any tool of the environment and gives its result as the tool gave it, never shortened. Throws `not_found` for an
   * unknown name, `tool_arguments` for arguments that are not of its schema, and what the tool throws.
   */
  async callTool(name: string, args: Record<string, unknown> = {}): Promise<string | object> {
    const tool = this.#tools.get(name);
    if (!tool) {
      const near = nearestName(name, this.#tools.keys());
      throw new LachesisError("not_found", `There is no tool '${name}'${near ? `; did you mean '${near}'?` : "."}`);
    }
    this.#mustGoOn();
    return callToolDirectly(
      tool,
      args,
      this.#rollout.context({ callId: `verifier_${++this.#calls}`, signal: this.#signal }),
    );
  }

  /** Ends the rollout's processes and destroys its sandbox. The environment calls it after every rollout; safe to call twice. */
  cleanup(): Promise<void> {
    return this.#rollout.close();
  }

  async #download(kind: FileStat["type"], sandboxPath: string, hostPath: string): Promise<{ bytes: number }> {
    const sandbox = await this.#ready();
    const full = await this.#path(sandbox, sandboxPath);
    const found = await sandbox.stat(full);
    if (found?.type !== kind) {
      const errno = found ? "EINVAL" : "ENOENT";
      const what = found ? `is no ${kind} but a ${found.type}` : "does not exist";
      throw new LachesisError("sandbox_io", `${sandboxPath} ${what} in the sandbox.`, {
        details: { path: sandboxPath, errno },
      });
    }
    return { bytes: await sandbox.download(full, hostPath) };
  }

  async #callForObject(name: string, args: Record<string, unknown>): Promise<object> {
    if (!this.#tools.has(name)) {
      throw new LachesisError(
        "unsupported",
        `The tool '${name}' does not exist here; add one of that name to the environment's tools.`,
      );
    }
    const result = await this.callTool(name, args);
    const value: unknown = typeof result === "string" ? JSON.parse(result) : result;
    if (!isObject(value)) throw new LachesisError("tool_failed", `The tool '${name}' gave no object.`);
    return value;
  }

  async #ready(): Promise<Sandbox> {
    this.#mustGoOn();
    return this.#rollout.sandbox();
  }

  #mustGoOn(): void {
    if (!this.#signal.aborted) return;
    const { reason } = this.#signal;
    throw reason instanceof LachesisError
      ? reason
      : new LachesisError("cancelled", "The rollout was cancelled.", { cause: reason });
  }

  #path(sandbox: Sandbox, path: string): Promise<string> {
    return pathForVerifier(this.#rollout, sandbox, path);
  }
}

async function hostMustBe(kind: "file" | "directory", path: string): Promise<void> {
  try {
    const found = await stat(path);
    if (kind === "file" ? found.isFile() : found.isDirectory()) return;
  } catch (error) {
    if (!isErrno(error) || (error.code !== "ENOENT" && error.code !== "ENOTDIR")) throw error;
    throw new LachesisError("not_found", `The local ${kind} ${path} does not exist.`, { cause: error });
  }
  throw new LachesisError("not_found", `${path} is no ${kind}.`);
}
