/** The `process` tool: looks after the background processes that `terminal` started in this rollout. */
import { z } from "zod";
import { toLachesisError } from "../../core/index.ts";
import type { ToolCallContext } from "../contract.ts";
import { defineTool } from "../define-tool.ts";
import { endsRollout } from "../fatal.ts";
import { type BackgroundProcess, type ProcessTable, processesOf } from "./process-table.ts";

const ACTIONS = ["list", "poll", "log", "wait", "kill", "write", "submit", "close"] as const;

const parameters = z.object({
  action: z.enum(ACTIONS).describe("What to do."),
  session_id: z
    .string()
    .optional()
    .describe("The process, as terminal(background=true) named it. Needed by every action but list."),
  data: z.string().optional().describe("Text for write (as it is) and submit (with Enter)."),
  timeout: z.int().min(1).optional().describe("Seconds that wait may block."),
  offset: z.int().min(0).optional().describe("log: first line to show, from 0. Left out: the last lines."),
  limit: z.int().min(1).optional().describe("log: number of lines. Default 200."),
});

type Arguments = z.infer<typeof parameters>;

export const processTool = defineTool({
  name: "process",
  toolset: "terminal",
  exclusive: true,
  description:
    "Manage background processes started with terminal(background=true). list: all of them. poll: status and newest output. " +
    "log: output by line (offset, limit). wait: block until it ends or the timeout passes. kill: end it and everything it started. " +
    "write: send raw text to its input. submit: send text and Enter. close: end its input.",
  parameters,
  execute: async (args, context) => {
    const table = processesOf(context);
    if (args.action === "list") return { processes: table.all.map(summary) };
    if (!args.session_id) return { error: `session_id is required for the action '${args.action}'` };
    const entry = table.find(args.session_id);
    if (!entry) return notFound(table, args.session_id);
    const result = await act(entry, { ...args, action: args.action }, context);
    // What the model is told here, or brought about itself, need not come as a notice, too.
    if ("exit_code" in result || args.action === "kill") entry.notifyOnComplete = false;
    return result;
  },
});

async function act(
  entry: BackgroundProcess,
  args: Arguments & { action: Exclude<Arguments["action"], "list"> },
  context: ToolCallContext,
): Promise<object> {
  switch (args.action) {
    case "poll":
      return poll(entry);
    case "log":
      return log(entry, args);
    case "wait":
      return wait(entry, args, context);
    case "kill":
      return kill(entry);
    case "write":
    case "submit":
      return write(entry, args);
    case "close":
      return close(entry);
  }
}

function notFound(table: ProcessTable, id: string) {
  const known = table.all.map((entry) => entry.id).join(", ");
  return { status: "not_found", error: `No process with ID ${id}. ${known ? `Known: ${known}` : "None was started."}` };
}

const status = (entry: BackgroundProcess) => (entry.exitCode === null ? "running" : "exited");
const exit = (entry: BackgroundProcess) => (entry.exitCode === null ? {} : { exit_code: entry.exitCode });

function summary(entry: BackgroundProcess) {
  return {
    session_id: entry.id,
    command: entry.command.slice(0, 200),
    cwd: entry.cwd,
    pid: entry.process.pid,
    started_at: entry.startedAt.toISOString(),
    uptime_seconds: Math.floor(entry.uptime()),
    status: status(entry),
    output_preview: entry.output().slice(-200),
    ...exit(entry),
  };
}

function poll(entry: BackgroundProcess) {
  return {
    session_id: entry.id,
    command: entry.command,
    status: status(entry),
    pid: entry.process.pid,
    uptime_seconds: Math.floor(entry.uptime()),
    output_preview: entry.output().slice(-1000),
    ...exit(entry),
  };
}

function log(entry: BackgroundProcess, { offset, limit = 200 }: Arguments) {
  const gone = entry.linesGone();
  const lines = entry.output().split("\n");
  if (lines.at(-1) === "") lines.pop();
  const total = gone + lines.length;
  const first = offset ?? Math.max(0, total - limit);
  const shown = lines.slice(Math.max(0, first - gone), Math.max(0, first - gone + limit - Math.max(0, gone - first)));
  return {
    session_id: entry.id,
    status: status(entry),
    output: shown.join("\n"),
    total_lines: total,
    showing: `${shown.length} lines`,
    ...(first < gone && { note: `The first ${gone} lines are no longer kept.` }),
    ...exit(entry),
  };
}

async function wait(entry: BackgroundProcess, { timeout }: Arguments, { settings, signal }: ToolCallContext) {
  const longest = settings.terminal_timeout;
  const seconds = Math.min(timeout ?? longest, longest);
  await raceEnd(entry, seconds * 1000, signal);
  if (entry.exitCode !== null) {
    return { session_id: entry.id, status: "exited", exit_code: entry.exitCode, output: entry.output().slice(-2000) };
  }
  const output = entry.output().slice(-1000);
  if (signal.aborted) return { session_id: entry.id, status: "interrupted", output, note: "The wait was interrupted." };
  const limited = timeout !== undefined && timeout > longest ? ` (the longest wait is ${longest}s)` : "";
  return {
    session_id: entry.id,
    status: "timeout",
    output,
    timeout_note: `Waited ${seconds}s${limited}; the process is still running.`,
  };
}

function raceEnd(entry: BackgroundProcess, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    if (signal.aborted) done();
    signal.addEventListener("abort", done, { once: true });
    void entry.ended.then(done);
  });
}

async function kill(entry: BackgroundProcess) {
  if (entry.exitCode !== null) return { status: "already_exited", session_id: entry.id, exit_code: entry.exitCode };
  await entry.process.kill();
  await entry.ended;
  return { status: "killed", session_id: entry.id };
}

async function write(entry: BackgroundProcess, { action, data = "" }: Arguments) {
  if (entry.exitCode !== null) {
    return { status: "already_exited", error: "The process has already ended.", exit_code: entry.exitCode };
  }
  // On a terminal Enter is a carriage return.
  const text = action === "submit" ? data + (entry.pty ? "\r" : "\n") : data;
  try {
    await entry.process.write(text);
  } catch (error) {
    if (endsRollout(error)) throw error;
    return { status: "error", error: toLachesisError(error, "tool_failed").message };
  }
  return { status: "ok", bytes_written: Buffer.byteLength(text) };
}

async function close(entry: BackgroundProcess) {
  if (entry.exitCode !== null) return { status: "already_exited", exit_code: entry.exitCode };
  if (entry.pty) await entry.process.write("\x04");
  else await entry.process.closeStdin();
  return { status: "ok", message: entry.pty ? "End of input (Ctrl-D) was sent" : "stdin closed" };
}
