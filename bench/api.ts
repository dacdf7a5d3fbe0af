/**
 * The trajectory API with a SQLite store, each figure beside an in-memory `node:http` server that only parses the JSON:
 * submits and hand-outs of groups of 16 sequences × 4,096 tokens, and small calls while 100 to 100,000 groups wait. Both
 * servers are processes of their own on the same machine; times are medians.
 *
 *     node bench/api.ts [--quick]
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { zstdCompressSync } from "node:zlib";
import { Agent, request } from "undici";
import type { ScoredGroup } from "../src/trajectory/contract.ts";
import { startApi } from "../src/trajectory/index.ts";
import { ARROW_TYPE, encodeArrow } from "../src/trajectory/wire/arrow.ts";
import { readGroup, writeGroup } from "../src/trajectory/wire/group.ts";

const CLIENTS = 8;
const SEQUENCES = 16;
const TOKENS = 4_096;
/** Small calls, before the measured ones and measured. */
const WARM_CALLS = 1_000;
const CALLS = 301;
const REGISTRATION = {
  wandb_group: "bench",
  wandb_project: "bench",
  batch_size: SEQUENCES * 4,
  max_token_len: TOKENS,
  checkpoint_dir: "",
  save_checkpoint_interval: 0,
  starting_step: 0,
  num_steps: 1_000_000,
};

interface Row {
  figure: string;
  value: string;
  limit: string;
  met: boolean | null;
}

/** Prints a table; returns 1 when a target is missed. */
export async function run(args: readonly string[] = []): Promise<number> {
  const quick = args.includes("--quick");
  const folder = mkdtempSync(join(tmpdir(), "bench-api-"));
  const agent = new Agent({ connections: CLIENTS });
  const rows: Row[] = [];
  const servers: ChildProcess[] = [];
  try {
    const parser = await serve(["--parser"], servers);
    const api = await serve(["--api", `sqlite:${join(folder, "api.db")}`], servers);
    await post(agent, `${api.url}/register`, JSON.stringify(REGISTRATION));
    await bigGroups(agent, parser.url, api.url, quick ? 24 : 96, rows);
    for (const waiting of quick ? [100, 10_000] : [100, 10_000, 100_000]) {
      await longQueue(agent, parser.url, join(folder, `queue-${waiting}.db`), waiting, servers, rows);
    }
  } finally {
    for (const server of servers) server.kill("SIGTERM");
    await agent.destroy();
    rmSync(folder, { recursive: true, force: true });
  }
  for (const { figure, value, limit, met } of rows)
    console.log(
      `${figure.padEnd(58)} ${value.padStart(20)}   ${limit.padEnd(22)} ${met === null ? "" : met ? "met" : "MISSED"}`,
    );
  return rows.some((row) => row.met === false) ? 1 : 0;
}

async function bigGroups(agent: Agent, parser: string, api: string, count: number, rows: Row[]): Promise<void> {
  const group = readGroup(bigGroup());
  const json = Buffer.from(writeGroup(group));
  const arrow = zstdCompressSync(encodeArrow([group]));
  const packed = { "content-type": ARROW_TYPE, "content-encoding": "zstd" };
  const path = "/v2/runs/default/groups";
  const limit = await rate(count, () => post(agent, parser, json));
  let key = 0;
  const ours = await rate(count, () => post(agent, api + path, json, { "idempotency-key": `j${key++}` }));
  const arrows = await rate(count, () => post(agent, api + path, arrow, { ...packed, "idempotency-key": `a${key++}` }));
  const again = await rate(count, () => post(agent, parser, json));
  const parsed = (limit + again) / 2;
  row(rows, "JSON submits: groups/s of the parsing server", parsed.toFixed(1), "", null);
  row(rows, "JSON submits, durable, against it", ratio(parsed, ours), "≤ 2×", parsed / ours <= 2);
  row(
    rows,
    "Arrow + zstd: times fewer bytes",
    ratio(json.length, arrow.length),
    "≥ 4×",
    json.length / arrow.length >= 4,
  );
  row(rows, "Arrow + zstd submits: groups/s", arrows.toFixed(1), `> ${parsed.toFixed(1)}`, arrows > parsed);
  const four = Buffer.concat([
    Buffer.from("["),
    json,
    ...Array(3)
      .fill([Buffer.from(","), json])
      .flat(),
    Buffer.from("]"),
  ]);
  const base = await median(9, () => post(agent, parser, four));
  const handed = await median(9, async () => {
    const { statusCode, body } = await request(`${api}/batch`, { dispatcher: agent });
    const bytes = await body.arrayBuffer();
    if (statusCode !== 200 || bytes.byteLength < four.length / 2)
      throw new Error(`GET /batch: ${statusCode}, ${bytes.byteLength} bytes`);
  });
  row(
    rows,
    "hand-out of 4 groups against parsing them",
    `${ratio(handed, base)} (${handed.toFixed(0)} ms)`,
    "≤ 3×",
    handed / base <= 3,
  );
}

async function longQueue(
  agent: Agent,
  parser: string,
  file: string,
  waiting: number,
  servers: ChildProcess[],
  rows: Row[],
): Promise<void> {
  const api = await serve(["--api", `sqlite:${file}`], servers);
  const json = (path: string, body: unknown) => post(agent, api.url + path, JSON.stringify(body));
  await json("/register", REGISTRATION);
  await (await request(`${api.url}/batch`, { dispatcher: agent })).body.dump();
  const env = { max_token_length: 64, desired_name: "e", weight: 1, group_size: 4 };
  await json("/register-env", env);
  const small = { tokens: Array(4).fill([1, 2, 3]), masks: Array(4).fill([1, 2, 3]), scores: [1, 0, 1, 0], env_id: 0 };
  // Both programs are compiled while they run: the first calls measure the compiler. They go to a run of their own.
  await json("/v2/runs/warm-up", REGISTRATION);
  for (let call = 0; call < WARM_CALLS; call++) await json("/v2/runs/warm-up/groups", { ...small, env_id: null });
  const many = JSON.stringify(Array(Math.min(1000, waiting)).fill(small));
  for (let sent = 0; sent < waiting; sent += 1000) await post(agent, `${api.url}/scored_data_list`, many);
  const parsed = await median(CALLS, () => post(agent, parser, JSON.stringify(small)));
  const status = await median(CALLS, async () => {
    await (await request(`${api.url}/status-env?env_id=0`, { dispatcher: agent })).body.dump();
  });
  const submit = await median(CALLS, () => json("/scored_data", small));
  const floor = await median(CALLS, () => fsyncs(`${file}.floor`, JSON.stringify(small)));
  const { statusCode, body } = await timed(rows, waiting, () => request(`${api.url}/batch`, { dispatcher: agent }));
  if (statusCode !== 200) throw new Error(`GET /batch: ${statusCode}`);
  await body.dump();
  row(rows, `/status-env at ${waiting} queued groups, ms`, status.toFixed(2), "≤ 1", status <= 1);
  row(rows, `submit at ${waiting} queued groups, ms`, submit.toFixed(2), "≤ 1", submit <= 1);
  row(rows, "  of which the parsing server's answer, ms", parsed.toFixed(2), "", null);
  row(rows, "  of which this disk's fsync, ms", floor.toFixed(2), "", null);
  row(rows, `resident memory at ${waiting} queued groups, MB`, residentMb(api.child).toFixed(0), "", null);
  api.child.kill("SIGTERM");
}

async function timed<T>(rows: Row[], waiting: number, work: () => Promise<T>): Promise<T> {
  const before = performance.now();
  const result = await work();
  const ms = performance.now() - before;
  row(
    rows,
    `first /batch at ${waiting} queued groups, ms`,
    ms.toFixed(1),
    waiting === 100_000 ? "≤ 20" : "",
    waiting === 100_000 ? ms <= 20 : null,
  );
  return result;
}

/** What one durable write costs on this disk. */
async function fsyncs(file: string, text: string): Promise<void> {
  const { open } = await import("node:fs/promises");
  const handle = await open(file, "a");
  await handle.write(text);
  await handle.datasync();
  await handle.close();
}

function row(rows: Row[], figure: string, value: string, limit: string, met: boolean | null): void {
  rows.push({ figure, value, limit, met });
}

const ratio = (a: number, b: number) => `${(a / b).toFixed(2)}×`;

/** Calls a second by 8 clients. */
async function rate(count: number, work: () => Promise<void>): Promise<number> {
  let left = count;
  const before = performance.now();
  await Promise.all(
    Array.from({ length: CLIENTS }, async () => {
      while (left-- > 0) await work();
    }),
  );
  return count / ((performance.now() - before) / 1000);
}

async function median(rounds: number, work: () => Promise<void>): Promise<number> {
  const times: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const before = performance.now();
    await work();
    times.push(performance.now() - before);
  }
  return times.sort((a, b) => a - b)[Math.floor(rounds / 2)]!;
}

async function post(
  agent: Agent,
  url: string,
  body: string | Uint8Array,
  headers: Record<string, string> = {},
): Promise<void> {
  const sent = { "content-type": "application/json", ...headers };
  const answer = await request(url, { method: "POST", body, headers: sent, dispatcher: agent });
  const text = await answer.body.text();
  if (answer.statusCode !== 200) throw new Error(`${url}: ${answer.statusCode} ${text.slice(0, 300)}`);
}

/** As engines give it: log-probabilities of 32 bits, printed as Python prints them. */
function bigGroup(): ScoredGroup {
  const tokens = Array.from({ length: SEQUENCES }, (_, row) => {
    return Array.from({ length: TOKENS }, (__, at) =>
      Math.floor(32_000 * Math.abs(Math.sin(at * 12.9898 + row * 78.233)) ** 3),
    );
  });
  const trained = (at: number) => at % 1024 > 300;
  return {
    tokens,
    masks: tokens.map((row) => row.map((token, at) => (trained(at) ? token : -100))),
    scores: tokens.map((_, row) => row % 2),
    inference_logprobs: tokens.map((row) =>
      row.map((token, at) => (trained(at) ? Math.fround(-(Math.abs(Math.sin(token + at)) ** 4)) : 1)),
    ),
  };
}

async function serve(args: string[], servers: ChildProcess[]): Promise<{ url: string; child: ChildProcess }> {
  const child = spawn(process.execPath, [import.meta.filename, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  servers.push(child);
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout!.once("data", (data) => resolve(String(data).trim()));
    child.once("exit", (code) => reject(new Error(`The server ended with ${code}.`)));
  });
  return { url, child };
}

function residentMb(child: ChildProcess): number {
  const pages = Number(readFileSync(`/proc/${child.pid}/statm`, "utf8").split(" ")[1]);
  return (pages * 4096) / 1e6;
}

/** The limit: bodies are parsed and forgotten. */
function parserServer(): void {
  const server = createServer((asked, answer) => {
    const chunks: Buffer[] = [];
    asked.on("data", (chunk) => chunks.push(chunk));
    asked.on("end", () => {
      JSON.parse(Buffer.concat(chunks).toString());
      answer.end('{"status":"received"}');
    });
  });
  server.listen(0, "127.0.0.1", () => {
    const { port } = server.address() as { port: number };
    console.log(`http://127.0.0.1:${port}`);
  });
}

if (process.argv.includes("--parser")) parserServer();
else if (process.argv.includes("--api")) {
  const api = await startApi({ port: 0, store: process.argv.at(-1)!, tokens: "" });
  console.log(api.url);
} else if (import.meta.main) process.exitCode = await run(process.argv.slice(2));
