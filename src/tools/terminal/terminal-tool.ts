/**
 * The `terminal` tool. Whatever happens to the command, the result has `output`, `exit_code` and `error`. The command is
 * run as the model wrote it: nothing is refused, rewritten or masked, because the sandbox is what protects the host.
 */
import { z } from "zod";
import type { Sandbox } from "../../sandbox/index.ts";
import type { ToolCallContext } from "../contract.ts";
import { defineTool } from "../define-tool.ts";
import { endsRollout } from "../fatal.ts";
import { sandboxPlaces } from "../places.ts";
import { cutMiddle, SHOWN_CHARS, withoutEscapes } from "./display.ts";
import { exitCodeMeaning } from "./exit-code-meaning.ts";
import { processesOf } from "./process-table.ts";
import { resolvePath, type ShellResult, shellOf } from "./shell.ts";

const parameters = z.object({
  command: z.string().describe("The command, for bash."),
  background: z
    .boolean()
    .default(false)
    .describe("Start it and return at once; look after it with the process tool. For servers and long jobs."),
  timeout: z.int().min(1).optional().describe("Seconds that a foreground command may take."),
  workdir: z
    .string()
    .optional()
    .describe("Directory for this command only. Default: where the last command left the shell."),
  pty: z.boolean().default(false).describe("Run on a pseudo-terminal, for programs that ask for one."),
  notify_on_complete: z
    .boolean()
    .default(false)
    .describe("background: when it ends, a later tool result tells you so under notifications."),
  watch_patterns: z
    .array(z.string().min(1))
    .optional()
    .describe("background: lines of its output that hold one of these texts come under notifications, too."),
});

type Arguments = z.infer<typeof parameters>;

export interface TerminalResult {
  output: string;
  /** 124 time-out, 126 no such directory, 130 cancelled, 137 killed, −1 not started. */
  exit_code: number;
  error: string | null;
  /** Only where nothing was run. */
  status?: "error";
  exit_code_meaning?: string;
  note?: string;
}

export const terminalTool = defineTool({
  name: "terminal",
  toolset: "terminal",
  exclusive: true,
  maxResultChars: 100_000,
  description:
    "Run a bash command in the sandbox. The working directory, exported variables, functions and aliases persist from one " +
    "command to the next. stdout and stderr come back together, in order, with the exit code. Long output is cut in the middle " +
    "and kept in a file. With background=true the command is started and its session_id returned, for the process tool.",
  parameters,
  refused: failed,
  execute: async (args, context) => {
    if (args.command.includes("\0")) return failed("The command holds a NUL character, which no shell can take.");
    const sandbox = await context.sandbox();
    const workdir = args.workdir === undefined ? undefined : await resolvePath(context, sandbox, args.workdir);
    return args.background ? background(sandbox, args, workdir, context) : foreground(sandbox, args, workdir, context);
  },
});

function failed(error: string): TerminalResult {
  return { output: "", exit_code: -1, error, status: "error" };
}

async function foreground(
  sandbox: Sandbox,
  { command, timeout, pty, notify_on_complete, watch_patterns }: Arguments,
  workdir: string | undefined,
  context: ToolCallContext,
): Promise<TerminalResult> {
  const { terminal_timeout, terminal_max_timeout } = context.settings;
  const longest = Math.max(terminal_max_timeout, terminal_timeout);
  const seconds = Math.min(timeout ?? terminal_timeout, longest);
  const result = await shellOf(context).run(sandbox, command, {
    timeoutMs: seconds * 1000,
    signal: context.signal,
    workdir,
    pty,
  });
  const { exitCode } = result;
  const killed = exitCode === null && !result.timedOut && !result.cancelled;
  const code = result.timedOut ? 124 : result.cancelled ? 130 : (exitCode ?? 137);
  const meaning = exitCodeMeaning(command, code);
  const notes = [
    ...(timeout !== undefined && timeout > longest
      ? [`The time-out was ${longest}s, the longest that is allowed.`]
      : []),
    ...(notify_on_complete || watch_patterns !== undefined
      ? ["notify_on_complete and watch_patterns mean something with background=true only."]
      : []),
  ];
  return {
    output: await shown(result, seconds, sandbox, context),
    exit_code: code,
    error: killed ? "The shell was killed by a signal (it may have run out of memory, or killed itself)." : null,
    ...(meaning !== null && { exit_code_meaning: meaning }),
    ...(notes.length > 0 && { note: notes.join(" ") }),
  };
}

async function shown(
  { output, timedOut, cancelled }: ShellResult,
  seconds: number,
  sandbox: Sandbox,
  context: ToolCallContext,
): Promise<string> {
  let text = withoutEscapes(output.text());
  if (text.length > SHOWN_CHARS) {
    const whole = text;
    const stored = await keep(whole, sandbox, context);
    const gone = output.incomplete
      ? `the command wrote more than ${output.bytes} bytes, and only those were kept; `
      : output.lost > 0
        ? `the command wrote ${output.bytes} bytes, of which ${output.lost} in the middle were not kept; `
        : "";
    const where = gone === "" ? stored : gone + stored.replace("all of it", "what was kept");
    text = cutMiddle(
      whole,
      SHOWN_CHARS,
      (omitted) => `... [OUTPUT TRUNCATED - ${omitted} characters omitted out of ${whole.length} total; ${where}] ...`,
    );
  }
  if (timedOut) text += `${text === "" || text.endsWith("\n") ? "" : "\n"}[Command timed out after ${seconds}s]`;
  if (cancelled) text += `${text === "" || text.endsWith("\n") ? "" : "\n"}[Command interrupted]`;
  return text;
}

/** Stores the whole output in the sandbox and says where. */
async function keep(text: string, sandbox: Sandbox, context: ToolCallContext): Promise<string> {
  const counter = context.state("terminal-outputs", () => ({ count: 0 }));
  const { results } = await sandboxPlaces(context, sandbox);
  const path = `${results}/terminal-${++counter.count}.txt`;
  try {
    await sandbox.writeFile(path, text);
    return `all of it is in ${path}, page it with read_file`;
  } catch (error) {
    if (endsRollout(error)) throw error;
    context.logger.debug({ rollout: context.rolloutId, error: String(error) }, "a long output could not be stored");
    return `it could not be stored: ${error instanceof Error ? error.message : String(error)}`;
  }
}

async function background(
  sandbox: Sandbox,
  { command, pty, notify_on_complete, watch_patterns = [] }: Arguments,
  workdir: string | undefined,
  context: ToolCallContext,
): Promise<object> {
  if (workdir !== undefined && (await sandbox.stat(workdir))?.type !== "directory") {
    return { output: `cd: ${workdir}: No such file or directory`, exit_code: 126, error: null };
  }
  const watched = notify_on_complete ? [] : watch_patterns;
  const entry = await processesOf(context).start(sandbox, command, {
    workdir,
    pty,
    signal: context.signal,
    notifyOnComplete: notify_on_complete,
    watchPatterns: watched,
  });
  return {
    output: "Background process started",
    session_id: entry.id,
    pid: entry.process.pid,
    exit_code: 0,
    error: null,
    ...(notify_on_complete && { notify_on_complete }),
    ...(watched.length > 0 && { watch_patterns: watched }),
    ...(watched.length < watch_patterns.length && {
      watch_patterns_ignored: "notify_on_complete is set; only one of the two is kept, to not tell everything twice",
    }),
  };
}
