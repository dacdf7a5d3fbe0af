/** The programs that `serve` needs around it, as real processes: the API, environments, and a trainer that takes batches. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const path = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const CLI = path("../../src/cli/main.fixture.ts");
const MADE = path("environments/made-env.ts");
export const MODEL = path("../../models/tiny");

export interface Group {
  group_id?: string;
  env_id: number | null;
  tokens: number[][];
  masks: number[][];
  scores: number[];
}

const live = new Set<ChildProcess>();

/** Ends every process that a test left. */
export async function endAll(): Promise<void> {
  await Promise.all([...live].map((child) => ended(child, "SIGKILL")));
}

export async function ended(child: ChildProcess, signal: NodeJS.Signals): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
  const exit = once(child, "exit");
  child.kill(signal);
  const [code] = await exit;
  return code;
}

function start(args: string[], command = process.execPath, env: NodeJS.ProcessEnv = {}): ChildProcess {
  const child = spawn(command, args, {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, NODE_NO_WARNINGS: "1", ...env },
  });
  live.add(child);
  child.once("exit", () => live.delete(child));
  return child;
}

export interface Api {
  url: string;
  child: ChildProcess;
}

/** `lachesis api`; a port of 0 takes a free one. */
export async function startApi(store: string, port = 0): Promise<Api> {
  return listening(start([CLI, "api", "--port", String(port), "--store", store]));
}

/** `lachesis model serve` with the embedded model that solves about half of its tasks. */
export async function startModel(): Promise<Api> {
  return listening(start([CLI, "model", "serve", "--port", "0", "--model", `${MODEL}/half-trained`]));
}

async function listening(child: ChildProcess): Promise<Api> {
  child.stderr!.resume();
  for await (const line of createInterface({ input: child.stdout! })) {
    child.stdout!.resume();
    return { url: JSON.parse(line).listening, child };
  }
  throw new Error("The server ended before it listened.");
}

/** Any command of `lachesis`, and everything that it says. */
export function startCommand(args: string[]) {
  return told(start([CLI, ...args]));
}

/** A Python program, and everything that it says. */
export function startPython(python: string, args: string[], env: NodeJS.ProcessEnv = {}) {
  return told(start(args, python, { HF_HUB_OFFLINE: "1", WANDB_MODE: "offline", PYTHONUNBUFFERED: "1", ...env }));
}

function told(child: ChildProcess) {
  let output = "";
  for (const stream of [child.stdout!, child.stderr!]) stream.on("data", (chunk) => (output += chunk));
  return { child, output: () => output, exit: once(child, "close").then(([code]) => code as number | null) };
}

export interface Environment {
  child: ChildProcess;
  runDir: string;
  /** Standard output and error so far. */
  output(): string;
  exit: Promise<number | null>;
  events(): { at: number; event: string; id?: string; split?: string; next?: number }[];
}

/** `node made-env.ts serve`. */
export function startEnvironment(url: string, runDir: string, env: Record<string, unknown> = {}): Environment {
  const flags = Object.entries({ rollout_server_url: url, steps_per_eval: 0, ...env });
  const child = start([
    MADE,
    "serve",
    ...["--run-dir", runDir, "--openai.server_type", "embedded", "--openai.tokenizer_name", MODEL],
    ...flags.flatMap(([name, value]) => [`--env.${name}`, String(value)]),
  ]);
  let output = "";
  for (const stream of [child.stdout!, child.stderr!]) stream.on("data", (chunk) => (output += chunk));
  return {
    child,
    runDir,
    output: () => output,
    exit: once(child, "close").then(([code]) => code),
    events: () => jsonLines(`${runDir}/events.jsonl`) as ReturnType<Environment["events"]>,
  };
}

export function jsonLines(file: string): Record<string, unknown>[] {
  if (!existsSync(file)) return [];
  return readFileSync(file, "utf8")
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line));
}

export async function call<T>(url: string, body?: unknown): Promise<T> {
  const answer = await fetch(url, {
    ...(body !== undefined && {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    }),
  });
  if (!answer.ok) throw new Error(`${url}: ${answer.status} ${await answer.text()}`);
  return (await answer.json()) as T;
}

export function registration(batchSize: number, more: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    wandb_group: "g",
    wandb_project: "p",
    batch_size: batchSize,
    max_token_len: 512,
    checkpoint_dir: "",
    save_checkpoint_interval: 0,
    starting_step: 0,
    num_steps: 1000,
    ...more,
  };
}

/** Registers the trainer and says that it has started. */
export async function startTrainer(url: string, batchSize: number, more: Record<string, unknown> = {}): Promise<void> {
  await call(`${url}/register`, registration(batchSize, more));
  await call(`${url}/batch`);
}

/** Takes so many batches; throws after `seconds`. */
export async function takeBatches(url: string, count: number, seconds = 40): Promise<Group[][]> {
  const batches: Group[][] = [];
  await until(
    async () => {
      const { batch } = await call<{ batch: Group[] | null }>(`${url}/batch`);
      if (batch) batches.push(batch);
      return batches.length >= count;
    },
    `${count} batches`,
    { seconds, pauseMs: 20 },
  );
  return batches;
}

/** Waits until it is so; throws what was waited for when it does not come. */
export async function until(
  isSo: () => boolean | Promise<boolean>,
  what: string,
  { seconds = 40, pauseMs = 50 } = {},
): Promise<void> {
  const end = Date.now() + seconds * 1000;
  while (!(await isSo())) {
    if (Date.now() > end) throw new Error(`Waited ${seconds} s in vain for ${what}.`);
    await sleep(pauseMs);
  }
}

/** Which item a group belongs to. */
export const itemOf = (group: Group): number => group.tokens[0]![1]! - 10;
