/**
 * An outbox on disk: what was put in is sent once, in order, however often the process or the server dies in between.
 * A group is in the outbox as soon as `add` settles. It is sent under its key, which a server of ours stores once;
 * servers of protocol v1 only may store a group twice if the process died between their answer and our note of it.
 *
 * Layout: `pending/<number>.json` {key, group}, `rejected/…` beside the server's reason, `sent.jsonl` with the keys. One
 * process at a time may use a directory: a run's lock sees to it.
 */
import { mkdir, open, readdir, readFile, rename, unlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type Clock, isErrno, isObject, LachesisError, systemClock, toLachesisError } from "../../core/index.ts";

export interface OutboxOptions {
  directory: string;
  /** Sends a group; throws a LachesisError. A code that is not retryable means that the group can never be sent. */
  send(group: unknown, key: string, signal: AbortSignal): Promise<void>;
  clock?: Clock;
  /** Told of every group that was sent, and of every one that was refused. */
  onSent?(key: string): void;
  onRejected?(key: string, error: LachesisError): void;
  /** Told when sending fails and will be tried again, and when it works again. */
  onTrouble?(error: LachesisError | null): void;
}

const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 15_000;

export class Outbox {
  readonly #options: OutboxOptions;
  readonly #clock: Clock;
  readonly #stop = new AbortController();
  /** Numbers of pending files by key, in order. */
  readonly #pending = new Map<string, number>();
  readonly #sent = new Set<string>();
  /** Sent by this process; the note of it may not be on disk yet. */
  readonly #delivered = new Set<string>();
  /** The file of notes may end within a line. */
  #torn = false;
  #next = 0;
  #wake: () => void = () => {};
  #idle: (() => void)[] = [];
  #running: Promise<void> | null = null;

  private constructor(options: OutboxOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  static async open(options: OutboxOptions): Promise<Outbox> {
    const outbox = new Outbox(options);
    await mkdir(join(options.directory, "pending"), { recursive: true });
    await mkdir(join(options.directory, "rejected"), { recursive: true });
    await outbox.#load();
    return outbox;
  }

  /** Groups that wait to be sent. */
  get pending(): number {
    return this.#pending.size;
  }

  /** True for what was sent, refused or waits. */
  knows(key: string): boolean {
    return this.#sent.has(key) || this.#pending.has(key);
  }

  /** Settles when the group is on disk. Adding a known key changes nothing. */
  async add(key: string, group: unknown): Promise<void> {
    if (this.knows(key)) return;
    const number = this.#next++;
    this.#pending.set(key, number);
    try {
      await this.#write(this.#path(number), JSON.stringify({ key, group }));
    } catch (error) {
      this.#pending.delete(key);
      throw toLachesisError(error);
    }
    this.#wake();
  }

  /** Begins to send. */
  start(): void {
    this.#running ??= this.#run();
  }

  /** Settles when everything was sent or refused, or after so many milliseconds; gives what still waits. */
  async flush(timeoutMs: number): Promise<number> {
    const done = new Promise<void>((resolve) => {
      if (this.#pending.size === 0) resolve();
      else this.#idle.push(resolve);
    });
    const pause = new AbortController();
    await Promise.race([done, this.#clock.sleep(timeoutMs, pause.signal).catch(() => {})]);
    pause.abort();
    return this.#pending.size;
  }

  /** Stops sending; what waits stays on disk for the next time. */
  async close(): Promise<void> {
    this.#stop.abort(new LachesisError("cancelled", "The outbox was closed."));
    this.#wake();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    let pauseMs = FIRST_PAUSE_MS;
    while (!signal.aborted) {
      const [first] = this.#pending;
      if (!first) {
        for (const resolve of this.#idle.splice(0)) resolve();
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        continue;
      }
      const error = await this.#sendOne(...first).catch(toLachesisError);
      if (signal.aborted) return;
      this.#options.onTrouble?.(error);
      if (!error) {
        pauseMs = FIRST_PAUSE_MS;
        continue;
      }
      const wanted = Number(error.details.retryAfterMs ?? pauseMs);
      await this.#clock.sleep(Math.min(wanted, LONGEST_PAUSE_MS), signal).catch(() => {});
      pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
    }
  }

  /** null when the group is out of the way; the error when it must be tried again. */
  async #sendOne(key: string, number: number): Promise<LachesisError | null> {
    let text: string;
    try {
      text = await readFile(this.#path(number), "utf8");
    } catch (error) {
      // It is still being written: `add` has not settled.
      if (isErrno(error) && error.code === "ENOENT")
        return new LachesisError("api_unavailable", "not written yet", { details: { retryAfterMs: 5 } });
      return toLachesisError(error);
    }
    try {
      // On a full disk the note may fail though the group was sent: sending it again would not help.
      if (!this.#delivered.has(key)) await this.#options.send(JSON.parse(text).group, key, this.#stop.signal);
      this.#delivered.add(key);
    } catch (thrown) {
      const error = toLachesisError(thrown);
      if (error.retryable || error.code === "auth" || error.code === "cancelled") return error;
      await this.#write(
        join(this.#options.directory, "rejected", `${number}.reason.json`),
        JSON.stringify({ key, error }),
      );
      await rename(this.#path(number), join(this.#options.directory, "rejected", `${number}.json`));
      this.#forget(key);
      this.#options.onRejected?.(key, error);
      return null;
    }
    await this.#note(key);
    await unlink(this.#path(number));
    this.#forget(key);
    this.#delivered.delete(key);
    this.#options.onSent?.(key);
    return null;
  }

  #forget(key: string): void {
    this.#sent.add(key);
    this.#pending.delete(key);
  }

  #path(number: number): string {
    return join(this.#options.directory, "pending", `${String(number).padStart(9, "0")}.json`);
  }

  async #note(key: string): Promise<void> {
    const file = await open(join(this.#options.directory, "sent.jsonl"), "a");
    const line = `${this.#torn ? "\n" : ""}${JSON.stringify(key)}\n`;
    this.#torn = true;
    try {
      await file.appendFile(line);
      await file.datasync();
    } finally {
      await file.close();
    }
    this.#torn = false;
  }

  /** The file is whole or not there; when it settles it is there after a power failure, too. */
  async #write(path: string, text: string): Promise<void> {
    const temporary = `${path}.tmp`;
    const file = await open(temporary, "w");
    try {
      await file.writeFile(text);
      await file.datasync();
    } catch (error) {
      await unlink(temporary);
      throw error;
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    const folder = await open(dirname(path));
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  }

  async #load(): Promise<void> {
    const { directory } = this.#options;
    const notes = await notesOf(join(directory, "sent.jsonl"));
    this.#torn = notes.isTorn;
    for (const key of notes.keys) this.#sent.add(key);
    for (const [number, name] of await filesIn(join(directory, "rejected"))) {
      this.#next = Math.max(this.#next, number + 1);
      if (!name.endsWith(".reason.json")) continue;
      const key = await keyIn(join(directory, "rejected", name));
      if (key !== null) this.#sent.add(key);
      // The process died before the group was set aside, too.
      await rename(this.#path(number), join(directory, "rejected", `${number}.json`)).catch(unlessMissing);
    }
    for (const [number, name] of await filesIn(join(directory, "pending"))) {
      const path = join(directory, "pending", name);
      this.#next = Math.max(this.#next, number + 1);
      if (name.endsWith(".tmp")) await unlink(path);
      else {
        const key = await keyIn(path);
        // Damaged by something else than us: kept for people to look at, and not in the way of the others.
        if (key === null) await rename(path, join(directory, "rejected", `${number}.damaged.json`));
        // Sent, but the process died before the file was removed.
        else if (this.#sent.has(key)) await unlink(path);
        else this.#pending.set(key, number);
      }
    }
  }
}

/** Our files of a folder with their numbers, in order. What others leave there (a note, say) has none and is not ours. */
async function filesIn(folder: string): Promise<[number, string][]> {
  const names = (await readdir(folder)).sort();
  return names.flatMap((name) => (/^\d/.test(name) ? [[Number.parseInt(name, 10), name]] : []));
}

/** The key in a file of ours; null where the file is damaged. */
async function keyIn(path: string): Promise<string | null> {
  const text = await readFile(path, "utf8");
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) && typeof value.key === "string" ? value.key : null;
  } catch {
    // Not JSON: it is not as we wrote it.
    return null;
  }
}

function unlessMissing(error: unknown): void {
  if (!isErrno(error) || error.code !== "ENOENT") throw error;
}

/** The whole lines of a file of JSON strings; a torn one is left out. */
async function notesOf(path: string): Promise<{ keys: string[]; isTorn: boolean }> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if (isErrno(error) && error.code === "ENOENT") return { keys: [], isTorn: false };
    throw error;
  }
  const keys = text.split("\n").flatMap((line) => {
    try {
      const key: unknown = JSON.parse(line);
      return typeof key === "string" ? [key] : [];
    } catch {
      // A torn line: its group is still pending and is sent again under the same key.
      return [];
    }
  });
  return { keys, isTorn: text !== "" && !text.endsWith("\n") };
}
