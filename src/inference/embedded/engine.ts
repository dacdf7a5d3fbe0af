/**
 * The inference thread as seen from the event loop: token ids in, token ids and log-probabilities out. The thread keeps
 * the process alive only while something is under way.
 */
import { Worker } from "node:worker_threads";
import { LachesisError, toLachesisError } from "../../core/index.ts";
import { cancelledBy } from "../cancellation.ts";
import type {
  FailureData,
  FromWorker,
  Generated,
  GenerateJob,
  Job,
  JobResult,
  ModelFacts,
  PromptJob,
  PromptScored,
  ToWorker,
} from "./jobs.ts";

/** One sampled token of a streamed answer. */
export interface TokenEvent {
  token: number;
  logprob: number;
  tempered: number;
}

interface Pending {
  resolve(value: JobResult | ModelFacts): void;
  reject(error: LachesisError): void;
  onToken: ((event: TokenEvent) => boolean) | undefined;
}

export interface EngineOptions {
  /** Positions whose keys and values are kept for prompts that begin alike; about 2.3 KB each. 0: none. Default 16384. */
  prefixCacheTokens?: number;
}

export class EmbeddedEngine {
  readonly #worker: Worker;
  readonly #pending = new Map<number, Pending>();
  #nextId = 1;
  #ended: LachesisError | null = null;
  #version = 0;
  #facts: ModelFacts | null = null;
  /** Loads go one after the other: the thread holds one set of prepared weights. */
  #loading: Promise<unknown> = Promise.resolve();

  constructor({ prefixCacheTokens = 16_384 }: EngineOptions = {}) {
    const file = import.meta.url.endsWith(".ts") ? "./worker.ts" : "./worker.js";
    this.#worker = new Worker(new URL(file, import.meta.url), {
      workerData: { cacheTokens: prefixCacheTokens },
      name: "lachesis-embedded-model",
      // Flags such as --input-type or a debugger's are meant for the main thread.
      execArgv: [],
    });
    this.#worker.unref();
    this.#worker.on("message", (message: FromWorker) => this.#receive(message));
    this.#worker.on("error", (error) => this.#fail(toLachesisError(error)));
    this.#worker.on("exit", () => this.#fail(new LachesisError("cancelled", "The embedded model was closed.")));
  }

  /** Counts the weights that were loaded; 1 for the first. */
  get version(): number {
    return this.#version;
  }

  /** Of the weights in use. */
  get facts(): ModelFacts {
    if (!this.#facts) throw new LachesisError("internal", "The embedded model has no weights yet; call load first.");
    return this.#facts;
  }

  /**
   * Loads weights and, once they are complete and checked, takes them for every job that is posted afterwards. Jobs
   * under way end on the weights that they began with. When it fails nothing changes.
   * @param accept Called with the facts of the new weights before they are taken; what it throws refuses them. The
   *   function that it gives is called in the same turn of the event loop as the weights are taken.
   */
  load(path: string, accept?: (facts: ModelFacts) => Promise<() => void>): Promise<number> {
    const loaded = this.#loading.then(() => this.#load(path, accept));
    // The next load waits for this one, whatever its end; the caller gets the error.
    this.#loading = loaded.catch(() => undefined);
    return loaded;
  }

  async #load(path: string, accept?: (facts: ModelFacts) => Promise<() => void>): Promise<number> {
    const facts = await this.#ask<ModelFacts>((id) => ({ type: "prepare", id, path }));
    const taken = await accept?.(facts);
    this.#facts = facts;
    this.#version++;
    this.#post({ type: "commit", id: 0, version: this.#version });
    taken?.();
    return this.#version;
  }

  /**
   * `onToken` is called for each token when the job streams; when it returns true the answer ends there, though a few
   * more tokens may already have been sampled. Throws `cancelled` when the signal aborts.
   */
  generate(job: GenerateJob, signal?: AbortSignal, onToken?: (event: TokenEvent) => boolean): Promise<Generated> {
    return this.#run(job, signal, onToken) as Promise<Generated>;
  }

  scorePrompt(job: PromptJob, signal?: AbortSignal): Promise<PromptScored> {
    return this.#run(job, signal) as Promise<PromptScored>;
  }

  async close(): Promise<void> {
    this.#ended ??= new LachesisError("cancelled", "The embedded model was closed.");
    await this.#worker.terminate();
  }

  async #run(job: Job, signal?: AbortSignal, onToken?: (event: TokenEvent) => boolean): Promise<JobResult> {
    if (signal?.aborted) throw cancelledBy(signal);
    let jobId = 0;
    const result = this.#ask<JobResult>((id) => {
      jobId = id;
      return { type: "job", id, job };
    }, onToken);
    const onAbort = () => {
      this.#post({ type: "cancel", id: jobId });
      this.#settle(jobId)?.reject(cancelledBy(signal!));
    };
    signal?.addEventListener("abort", onAbort, { once: true });
    try {
      return await result;
    } finally {
      signal?.removeEventListener("abort", onAbort);
    }
  }

  #ask<T extends JobResult | ModelFacts>(
    message: (id: number) => ToWorker,
    onToken?: (event: TokenEvent) => boolean,
  ): Promise<T> {
    const id = this.#nextId++;
    return new Promise<T>((resolve, reject) => {
      if (this.#ended) {
        reject(this.#ended);
        return;
      }
      this.#pending.set(id, { resolve: (value) => resolve(value as T), reject, onToken });
      this.#worker.ref();
      this.#post(message(id));
    });
  }

  #post(message: ToWorker): void {
    this.#worker.postMessage(message);
  }

  #receive(message: FromWorker): void {
    if (message.type === "token") {
      if (this.#pending.get(message.id)?.onToken?.(message)) this.#post({ type: "stop", id: message.id });
    } else if (message.type === "failed") this.#settle(message.id)?.reject(revived(message.error));
    else this.#settle(message.id)?.resolve(message.type === "done" ? message.result : message.facts);
  }

  #settle(id: number): Pending | undefined {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    if (this.#pending.size === 0) this.#worker.unref();
    return pending;
  }

  #fail(error: LachesisError): void {
    this.#ended ??= error;
    for (const id of [...this.#pending.keys()]) this.#settle(id)?.reject(this.#ended);
  }
}

function revived({ code, message, details }: FailureData): LachesisError {
  return new LachesisError(code, message, { details });
}
