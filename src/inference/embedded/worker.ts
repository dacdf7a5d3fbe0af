/** The inference thread: takes jobs over its port, computes them step by step, and looks for new messages between steps. */
import { setImmediate as nextTurn } from "node:timers/promises";
import { parentPort, workerData } from "node:worker_threads";
import { toLachesisError } from "../../core/index.ts";
import { loadCheckpoint } from "./checkpoint.ts";
import type { FailureData, FromWorker, ModelFacts, ToWorker } from "./jobs.ts";
import type { Network } from "./network.ts";
import { Scheduler } from "./scheduler.ts";

const port = parentPort!;
const { cacheTokens } = workerData as { cacheTokens: number };
const send = (message: FromWorker) => port.postMessage(message);

let scheduler: Scheduler | null = null;
let prepared: Network | null = null;
let running = false;

port.on("message", (message: ToWorker) => {
  if (message.type === "prepare") {
    void prepare(message.id, message.path);
    return;
  }
  try {
    if (message.type === "job") current().add(message.id, message.job);
    else if (message.type === "cancel") current().cancel(message.id);
    else if (message.type === "stop") current().stop(message.id);
    else commit(message.version);
  } catch (error) {
    send({ type: "failed", id: message.id, error: failure(error) });
  }
  if (!running) void run();
});

async function prepare(id: number, path: string): Promise<void> {
  try {
    prepared = await loadCheckpoint(path, scheduler?.network.config ?? null);
    send({ type: "prepared", id, facts: factsOf(prepared) });
  } catch (error) {
    send({ type: "failed", id, error: failure(error) });
  }
}

function commit(version: number): void {
  if (!prepared) throw new Error("commit without prepared weights");
  if (scheduler) scheduler.swap(prepared, version);
  else {
    scheduler = new Scheduler(prepared, version, cacheTokens, {
      token: (id, token, logprob, tempered) => send({ type: "token", id, token, logprob, tempered }),
      done: (id, result) => send({ type: "done", id, result }),
    });
  }
  prepared = null;
}

function current(): Scheduler {
  if (!scheduler) throw new Error("no weights are loaded yet");
  return scheduler;
}

async function run(): Promise<void> {
  running = true;
  while (scheduler?.busy) {
    scheduler.step();
    await nextTurn();
  }
  running = false;
}

function factsOf({ config, parameters }: Network): ModelFacts {
  const { vocabSize, contextLength, stopTokens } = config;
  return { vocabSize, contextLength, stopTokens, parameters };
}

function failure(error: unknown): FailureData {
  const { code, message, details } = toLachesisError(error);
  return { code, message, details };
}
