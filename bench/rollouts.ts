/**
 * Many rollouts at once against a server that answers after one second: each makes two tool turns with a tool that does
 * nothing and gives a final answer, so three seconds is the ideal. Every measurement runs in a process of its own; the
 * bare loop over undici that stands beside it does the same requests with nothing around them. The library is the compiled
 * one (`npm run build`), as users have it.
 *
 *     node bench/rollouts.ts [count …]        default: 1000 4000
 */
import { type ChildProcess, fork } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const SELF = fileURLToPath(import.meta.url);
const ENVIRONMENT = fileURLToPath(new URL("rollouts-env.ts", import.meta.url));
const GROUP_SIZE = 4;
const ANSWER_AFTER_MS = 1000;
const TURNS = 3;

/** What one process measured of itself. */
interface Measurement {
  wallMs: number;
  cpuMs: number;
  peakRssMb: number;
  completed: number;
}

/** The same requests from a bare loop, from the agent loop, and from `process` with its journal, groups and report. */
const MODES = ["bare", "loop", "process"] as const;
type Mode = (typeof MODES)[number];

/** Prints a table; returns 1 when a rollout did not finish. */
export async function run(args: readonly string[] = []): Promise<number> {
  const counts = args.length > 0 ? args.map(Number) : [1000, 4000];
  const server = fork(SELF, ["--server"], { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  try {
    const { port } = await message<{ port: number }>(server);
    let failed = false;
    console.log(
      `server answers after ${ANSWER_AFTER_MS} ms, ${TURNS} calls a rollout; ideal ${(TURNS * ANSWER_AFTER_MS) / 1000} s`,
    );
    console.log("rollouts  mode     seconds  × bare  CPU ms/call  × bare  peak MB  start ms");
    for (const count of counts) {
      let bare: Measurement | null = null;
      for (const mode of MODES) {
        const startedAt = Date.now();
        const first = firstRequest(server);
        const result = mode === "process" ? await wholeRun(count, port) : await oneProcess(mode, count, port);
        bare ??= result;
        failed ||= result.completed !== count;
        console.log(row(count, mode, result, bare, (await first) - startedAt));
      }
    }
    return failed ? 1 : 0;
  } finally {
    server.kill();
  }
}

function row(count: number, mode: Mode, result: Measurement, bare: Measurement, startMs: number): string {
  const perCall = result.cpuMs / (count * TURNS);
  return [
    String(count).padEnd(8),
    mode.padEnd(7),
    (result.wallMs / 1000).toFixed(2).padStart(8),
    (result.wallMs / bare.wallMs).toFixed(2).padStart(7),
    perCall.toFixed(2).padStart(12),
    (result.cpuMs / bare.cpuMs).toFixed(2).padStart(7),
    result.peakRssMb.toFixed(0).padStart(8),
    startMs.toFixed(0).padStart(9),
    result.completed === count ? "" : `  only ${result.completed} completed`,
  ].join(" ");
}

function oneProcess(mode: Mode, count: number, port: number): Promise<Measurement> {
  const child = fork(SELF, ["--measure", mode, String(count), String(port)], {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  return message<Measurement>(child);
}

/** A whole run from the command line; its time is that of the process, from start to exit. */
async function wholeRun(count: number, port: number): Promise<Measurement> {
  const folder = await mkdtemp(join(tmpdir(), "lachesis-bench-"));
  const groups = Math.ceil(count / GROUP_SIZE);
  const flags = {
    "env.group_size": GROUP_SIZE,
    "env.total_steps": groups,
    "env.max_num_workers": groups,
    "openai.base_url": `http://127.0.0.1:${port}/v1`,
    "openai.model_name": "bench",
    "openai.num_max_requests_at_once": count,
    "run-dir": join(folder, "run"),
  };
  const startedAt = performance.now();
  const child = fork(
    ENVIRONMENT,
    ["process", ...Object.entries(flags).flatMap(([name, value]) => [`--${name}`, String(value)])],
    {
      stdio: ["ignore", "ignore", "inherit", "ipc"],
      env: { ...process.env, LACHESIS_BENCH_OUT: join(folder, "used.json") },
    },
  );
  try {
    await new Promise((resolve) => child.once("exit", resolve));
    const wallMs = performance.now() - startedAt;
    const used = JSON.parse(await readFile(join(folder, "used.json"), "utf8"));
    const journal = await readFile(join(folder, "run", "journal.jsonl"), "utf8");
    const completed = journal.split("\n").filter((line) => line.includes('"stop_reason":"completed"')).length;
    return { wallMs, cpuMs: used.cpuMs, peakRssMb: used.peakRssMb, completed };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Wall-clock time at which the next request reaches the server. */
function firstRequest(server: ChildProcess): Promise<number> {
  server.send("watch");
  return new Promise((resolve) => server.once("message", (value) => resolve((value as { firstAt: number }).firstAt)));
}

function message<T>(child: ChildProcess): Promise<T> {
  return new Promise((resolve, reject) => {
    child.once("message", (value) => resolve(value as T));
    child.once("exit", (code) => reject(new Error(`The measuring process ended with exit code ${code}.`)));
  });
}

/** Measures `work` in this process and tells the parent. */
async function measure(work: () => Promise<number>): Promise<void> {
  const before = process.cpuUsage();
  const startedAt = performance.now();
  const completed = await work();
  const wallMs = performance.now() - startedAt;
  const cpu = process.cpuUsage(before);
  const result: Measurement = {
    wallMs,
    cpuMs: (cpu.user + cpu.system) / 1000,
    peakRssMb: process.resourceUsage().maxRSS / 1024,
    completed,
  };
  process.send?.(result, () => process.exit(0));
}

const SYSTEM = "You are a careful assistant. ".repeat(40);
const TOOL = {
  type: "function" as const,
  function: {
    name: "noop",
    description: "Does nothing.",
    parameters: { type: "object", properties: { step: { type: "integer" } }, required: ["step"] },
  },
};

async function bareLoop(count: number, port: number): Promise<number> {
  const { Pool } = await import("undici");
  const pool = new Pool(`http://127.0.0.1:${port}`, { connections: count, headersTimeout: 0, bodyTimeout: 0 });
  const rollout = async (): Promise<number> => {
    const messages: unknown[] = [
      { role: "system", content: SYSTEM },
      { role: "user", content: "Begin." },
    ];
    for (let turn = 0; turn < TURNS; turn++) {
      const answer = await pool.request({
        method: "POST",
        path: "/v1/chat/completions",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ model: "bench", messages, tools: [TOOL] }),
      });
      const body = (await answer.body.json()) as { choices: { message: { tool_calls?: { id: string }[] } }[] };
      const reply = body.choices[0]!.message;
      messages.push(reply);
      if (reply.tool_calls === undefined) return 1;
      for (const call of reply.tool_calls) messages.push({ role: "tool", tool_call_id: call.id, content: "{}" });
    }
    return 0;
  };
  const done = await Promise.all(Array.from({ length: count }, rollout));
  return done.reduce((sum, one) => sum + one, 0);
}

async function agentLoop(count: number, port: number): Promise<number> {
  const { ServerManager } = await import("lachesis/inference");
  const { AgentLoop } = await import("lachesis/agent");
  const manager = new ServerManager({
    base_url: `http://127.0.0.1:${port}/v1`,
    model_name: "bench",
    num_max_requests_at_once: count,
  });
  const loop = new AgentLoop({
    server: manager,
    tools: [TOOL],
    handler: { execute: async () => ({ content: "{}" }) },
    maxTurns: TURNS,
  });
  const rollout = async (): Promise<number> => {
    const result = await loop.run([
      { role: "system", content: SYSTEM },
      { role: "user", content: "Begin." },
    ]);
    return result.stop_reason === "completed" && result.turns_used === TURNS ? 1 : 0;
  };
  const done = await Promise.all(Array.from({ length: count }, rollout));
  return done.reduce((sum, one) => sum + one, 0);
}

/** As little of a server as can be, so that it does not compete for the processor: it counts tool results by their role. */
function serve(): void {
  let watching = false;
  process.on("message", () => {
    watching = true;
  });
  const server = createServer((socket) => {
    let pending: Buffer = Buffer.alloc(0);
    socket.setNoDelay(true);
    socket.on("error", () => socket.destroy());
    socket.on("data", (chunk) => {
      pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
      for (;;) {
        const head = pending.indexOf("\r\n\r\n");
        if (head < 0) return;
        const length = Number(/content-length: (\d+)/i.exec(pending.toString("latin1", 0, head))?.[1] ?? 0);
        if (pending.length < head + 4 + length) return;
        if (pending.toString("latin1", 0, 4) !== "POST") {
          pending = pending.subarray(head + 4 + length);
          socket.write('HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\n{"data":[]}');
          continue;
        }
        const body = pending.toString("utf8", head + 4, head + 4 + length);
        pending = pending.subarray(head + 4 + length);
        if (watching) process.send?.({ firstAt: Date.now() });
        watching = false;
        const step = body.split('"tool_call_id"').length - 1;
        setTimeout(answer, ANSWER_AFTER_MS, socket, step);
      }
    });
  });
  server.listen(0, "127.0.0.1", 65_535, () => {
    const address = server.address();
    process.send?.({ port: typeof address === "object" ? address?.port : 0 });
  });
  process.on("disconnect", () => process.exit(0));
}

function answer(socket: Socket, step: number): void {
  const last = step >= TURNS - 1;
  const call = {
    id: `call_${step}`,
    type: "function",
    function: { name: "noop", arguments: JSON.stringify({ step }) },
  };
  const body = JSON.stringify({
    id: "chatcmpl-bench",
    object: "chat.completion",
    model: "bench",
    choices: [
      {
        index: 0,
        message: last
          ? { role: "assistant", content: "Done." }
          : { role: "assistant", content: null, tool_calls: [call] },
        finish_reason: last ? "stop" : "tool_calls",
      },
    ],
    usage: { prompt_tokens: 400, completion_tokens: 20, total_tokens: 420 },
  });
  const head = `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n`;
  if (!socket.destroyed) socket.write(head + body);
}

if (process.argv[1] === SELF) {
  const [flag, mode, count, port] = process.argv.slice(2);
  if (flag === "--server") serve();
  else if (flag === "--measure") {
    const work = mode === "bare" ? bareLoop : agentLoop;
    await measure(() => work(Number(count), Number(port)));
  } else process.exitCode = await run(process.argv.slice(2));
}
