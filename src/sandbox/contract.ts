/**
 * The contract that every sandbox backend keeps. A sandbox is owned by exactly one rollout. Paths are resolved inside
 * it, file operations move raw bytes, and no operation trusts a program that lives in it.
 */

export interface SandboxLimits {
  /** Of all processes and writable memory file systems together. */
  memory_mb: number;
  pids: number;
  /** Of everything that can be written, together. */
  disk_mb: number;
}

export interface SandboxOptions {
  backend?: string;
  /**
   * true: outbound network through a user-mode stack (slirp4netns, which must be installed); the host's own and
   * private addresses stay unreachable. "host": the host's network as it is, with its loopback services; warned of.
   * Default false.
   */
  allow_network?: boolean | "host";
  /** Environment of every command. The host's environment is never passed on. */
  env?: Record<string, string>;
  limits?: Partial<SandboxLimits>;
  /** Fail rather than run without isolation. */
  require_sandbox?: boolean;
  /** `rootfs:DIR` for a whole root file system; null for the host view. Other forms belong to other backends. */
  image?: string | null;
  /** Where commands start and relative paths resolve. Default `/workspace`. */
  workdir?: string;
  /** Host paths shown read-only at the same path, such as a language runtime outside /usr. */
  readonly_paths?: string[];
  /**
   * Host unix sockets forwarded into the sandbox, by path inside. The only way out of a sandbox without network.
   */
  sockets?: Record<string, string>;
  /** For owner files, logs and error messages. */
  label?: string;
  signal?: AbortSignal;
}

export interface ExecOptions {
  cwd?: string;
  env?: Record<string, string>;
  stdin?: string | Uint8Array;
  timeoutMs?: number;
  /** Of stdout and stderr each; what exceeds it is dropped while streaming and `truncated` is set. */
  maxBytes?: number;
  signal?: AbortSignal;
  encoding?: "utf8" | "buffer";
  /** Send stderr into stdout, in order. */
  mergeOutput?: boolean;
  /** Called with every piece of output as it arrives, as far as it is kept: never with what exceeds `maxBytes`. */
  onOutput?: (chunk: Uint8Array, stream: "stdout" | "stderr") => void;
}

export interface ExecResult<Output = string> {
  stdout: Output;
  stderr: Output;
  /** null when the command was killed (time-out, signal, cancellation) instead of exiting. */
  exitCode: number | null;
  timedOut: boolean;
  /** True when output beyond `maxBytes` was dropped. */
  truncated: boolean;
  /** True when a process of this command was killed because the sandbox's memory limit was reached. */
  memoryExceeded?: boolean;
  durationMs: number;
}

export interface SpawnOptions {
  cwd?: string;
  env?: Record<string, string>;
  /** Run on a pseudo-terminal of this size. */
  pty?: { rows: number; cols: number };
  mergeOutput?: boolean;
  onOutput?: (chunk: Uint8Array, stream: "stdout" | "stderr") => void;
}

/** A process that goes on while the caller does other things. */
export interface SandboxProcess {
  /** Process id inside the sandbox. */
  readonly pid: number;
  write(data: string | Uint8Array): Promise<void>;
  closeStdin(): Promise<void>;
  /** Kills the process and everything it started. */
  kill(): Promise<void>;
  /** Settles when the process ended; null when it was killed by a signal. */
  readonly exited: Promise<{ exitCode: number | null; signal: number | null }>;
}

export interface FileStat {
  type: "file" | "directory" | "symlink" | "other";
  size: number;
  /** Permission bits, such as 0o644. */
  mode: number;
  mtimeMs: number;
}

export interface WriteOptions {
  /** Permission bits of a new file; an existing file keeps its own. Default 0o644. */
  mode?: number;
  /** Make missing parent directories. Default true. */
  parents?: boolean;
}

export interface Sandbox {
  readonly id: string;
  readonly backend: string;
  readonly workdir: string;
  /** True where model code cannot reach the host; false only for plain processes. */
  readonly isolated: boolean;
  /** A script for `bash -c`, or an argument vector. */
  exec(
    command: string | readonly string[],
    options: ExecOptions & { encoding: "buffer" },
  ): Promise<ExecResult<Uint8Array>>;
  exec(command: string | readonly string[], options?: ExecOptions): Promise<ExecResult>;
  spawn(command: string | readonly string[], options?: SpawnOptions): Promise<SandboxProcess>;
  /** Reads a regular file. `range` reads a part of it: byte offset and length. */
  readFile(path: string, range?: { offset: number; length: number }): Promise<Uint8Array>;
  /** Replaces the whole content atomically as seen by readers of the path; symlinks are followed, the mode is kept. */
  writeFile(path: string, data: string | Uint8Array, options?: WriteOptions): Promise<void>;
  /** null when nothing is there. Follows symlinks unless told not to. */
  stat(path: string, options?: { followSymlinks?: boolean }): Promise<FileStat | null>;
  /**
   * Copies a host file or directory into the sandbox, with modes; gives the bytes of content. Symlinks are kept when
   * they lead to a place in the same tree; absolute ones and those that leave it are left out.
   */
  upload(hostPath: string, sandboxPath: string): Promise<number>;
  /** Copies out, without links, devices, set-id bits or paths that leave the target; gives the bytes of content. */
  download(sandboxPath: string, hostPath: string): Promise<number>;
  /** Freezes the present content; forks start from it and stay independent of each other and of their origin. */
  snapshot(): Promise<Snapshot>;
  /** Ends every process and removes every trace. Safe to call twice. */
  destroy(): Promise<void>;
  /** Settles when the sandbox ended, by `destroy` (null) or by accident (the error). */
  readonly closed: Promise<Error | null>;
}

export interface Snapshot {
  fork(options?: Pick<SandboxOptions, "label" | "signal">): Promise<Sandbox>;
  /** Lets the content go once the last fork is destroyed. */
  release(): Promise<void>;
}
