/** Asks a SQLite worker thread and waits for its answers. */
import { Worker } from "node:worker_threads";
import { LachesisError } from "../../core/index.ts";
import type { SqliteSave } from "./sqlite-save.ts";
import type { SqliteAnswer, SqliteRequest } from "./sqlite-worker.ts";

type Asked = SqliteRequest extends infer Request
  ? Request extends { id: number }
    ? Omit<Request, "id">
    : never
  : never;

interface Waiting {
  resolve(result: unknown): void;
  reject(error: Error): void;
}

export class SqliteThread {
  readonly file: string;
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  readonly ready: Promise<void>;
  #next = 1;
  #ended: Error | null = null;

  constructor(file: string, { readonly = false } = {}) {
    this.file = file;
    const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
    this.#worker = new Worker(new URL(`./sqlite-worker.${extension}`, import.meta.url), {
      workerData: { file, readonly },
    });
    this.ready = new Promise((resolve, reject) => this.#waiting.set(0, { resolve: () => resolve(), reject }));
    // Whoever asks is told; nobody need be waiting for the thread itself.
    this.ready.catch(() => {});
    this.#worker.on("message", (answer: SqliteAnswer) => this.#answered(answer, file));
    this.#worker.on("error", (error) =>
      this.#end(this.#waiting.has(0) ? openError(error, file) : storeError(error, file)),
    );
    this.#worker.on("exit", () => this.#end(new LachesisError("internal", `The thread that holds ${file} ended.`)));
  }

  /** Why the thread no longer answers; null while it does. */
  get ended(): Error | null {
    return this.#ended;
  }

  ask(request: Asked, transfer: ArrayBuffer[] = []): Promise<unknown> {
    if (this.#ended) return Promise.reject(this.#ended);
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage({ id, ...request }, transfer);
    });
  }

  /** Payloads that own their memory are handed over, not copied: they are empty here afterwards. */
  async save(saves: SqliteSave[]): Promise<void> {
    const transfer = new Set<ArrayBuffer>();
    for (const { rows } of saves) {
      for (const { payload } of rows) {
        const memory = payload?.buffer;
        if (memory instanceof ArrayBuffer && payload?.byteLength === memory.byteLength && memory.byteLength > 0)
          transfer.add(memory);
      }
    }
    await this.ask({ type: "save", saves }, [...transfer]);
  }

  async close(): Promise<void> {
    if (!this.#ended) await this.ask({ type: "close" });
    await this.#worker.terminate();
  }

  #answered(answer: SqliteAnswer, file: string): void {
    const waiting = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    if ("error" in answer) waiting?.reject(storeError(answer.error, file));
    else waiting?.resolve(answer.result);
  }

  #end(error: Error): void {
    this.#ended ??= error;
    for (const waiting of this.#waiting.values()) waiting.reject(error);
    this.#waiting.clear();
  }
}

interface SqliteError {
  message: string;
  code?: string;
}

/** Of a call: what failed may be sent again, except where the fault is ours. */
export function storeError(error: SqliteError, file: string): LachesisError {
  const { code = "" } = error;
  if (code === "SQLITE_FULL" || code.startsWith("SQLITE_IOERR")) {
    return new LachesisError(
      "disk_full",
      `${file} cannot be written: ${error.message}. Nothing of the last call was kept.`,
    );
  }
  if (code.startsWith("SQLITE_BUSY")) {
    return new LachesisError("api_unavailable", `${file} is in use by another process.`, { cause: error });
  }
  if (code.startsWith("SQLITE_READONLY") || code.startsWith("SQLITE_CANTOPEN")) {
    return new LachesisError("api_unavailable", `${file} cannot be written: ${error.message}.`, { cause: error });
  }
  return new LachesisError("internal", `${file}: ${error.message}`, { cause: error });
}

/** Of the first look at a file: what to do about it. */
function openError(error: SqliteError, file: string): LachesisError {
  const refuse = (message: string) => new LachesisError("config_invalid", message, { cause: error });
  const { code = "" } = error;
  if (code === "REFUSED") return refuse(error.message);
  if (code.startsWith("SQLITE_BUSY")) {
    const message = `--store sqlite:${file} is in use by another process: stop it, or name another file.`;
    return new LachesisError("conflict", message, { cause: error });
  }
  if (code === "SQLITE_NOTADB") return refuse(`--store sqlite:${file}: this is another kind of file.`);
  if (code.startsWith("SQLITE_IOERR_SHM") || code.startsWith("SQLITE_IOERR_LOCK")) {
    return refuse(
      `--store sqlite:${file}: its file system cannot hold a database that is written safely (${error.message}): put it on a local disk.`,
    );
  }
  if (
    code.startsWith("SQLITE_CANTOPEN") ||
    code.startsWith("SQLITE_READONLY") ||
    error.message.startsWith("Cannot open")
  ) {
    return refuse(
      `--store sqlite:${file} cannot be opened (${error.message}): its folder must exist, and both must be writable.`,
    );
  }
  return storeError(error, file);
}
