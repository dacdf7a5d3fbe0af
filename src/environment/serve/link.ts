/**
 * The environment's link to the trajectory API: registers and registers again where the API has forgotten it, keeps the
 * newest status, and sends finished groups through an outbox on disk. The API may go away and come back at any time.
 */
import { join } from "node:path";
import { errorMessage, LachesisError, logger, systemClock, toLachesisError } from "../../core/index.ts";
import type { Recorder } from "../../evaluation/index.ts";
import {
  EnvClient,
  type EnvRegistered,
  type EnvRegistration,
  type EnvStatus,
  Outbox,
  type ScoredGroup,
} from "../../trajectory/index.ts";

export interface LinkOptions {
  url: string;
  token: string | null;
  registration: EnvRegistration;
  /** The outbox lies below it. */
  directory: string;
  /** Whether groups may be sent whose tokens were rendered from text. */
  allowRendered: boolean;
  signal: AbortSignal;
  /** For people: what is being waited for, and what went wrong. */
  say(text: string): void;
}

const POLL_MS = 500;
const WATCH_MS = 20_000;
const RETRY_MS = 1_000;

export class ApiLink {
  readonly #options: LinkOptions;
  readonly #client: EnvClient;
  #outbox: Outbox | null = null;
  #status: EnvStatus | null = null;
  #reachable = true;
  rejected = 0;

  constructor(options: LinkOptions) {
    this.#options = options;
    this.#client = new EnvClient({ url: options.url, token: options.token });
  }

  /** The newest status; null before the first, and while the API cannot be reached. */
  get status(): EnvStatus | null {
    return this.#reachable ? this.#status : null;
  }

  /** Finished groups that the API has not taken yet. */
  get waiting(): number {
    return this.#outbox?.pending ?? 0;
  }

  /** Waits for the API and its trainer, as long as it takes. */
  async register(): Promise<{ env: EnvRegistered; batchSize: number; maxTokenLength: number }> {
    let said = "";
    const say = (text: string) => {
      if (text !== said) this.#options.say(text);
      said = text;
    };
    for (;;) {
      this.#throwIfStopped();
      try {
        const env = await this.#client.register(this.#options.registration, this.#options.signal);
        if (env) {
          const info = await this.#client.info(this.#options.signal);
          return { env, batchSize: info.batch_size, maxTokenLength: info.max_token_len };
        }
        say(`Waiting for a trainer to start at ${this.#client.url} …`);
      } catch (thrown) {
        const error = toLachesisError(thrown);
        if (!error.retryable && error.code !== "not_found") throw error;
        say(`Waiting for the trajectory API: ${error.message}`);
      }
      await this.#pause(RETRY_MS);
    }
  }

  /** Opens the outbox; groups that an earlier process finished and did not send go first. */
  async openOutbox(recorder: Recorder): Promise<void> {
    const outbox = await Outbox.open({
      directory: join(this.#options.directory, "outbox"),
      send: (group, key, signal) => this.#client.submit(this.#client.bodyOf(group as ScoredGroup), key, signal),
      onRejected: (key, error) => {
        this.rejected++;
        this.#options.say(`The trajectory API refused group ${key}: ${error.message}`);
      },
      onTrouble: (error) => this.#reached(error),
    });
    for (const record of recorder.state.groups.values()) {
      if (record.status !== "written" || !record.place || outbox.knows(record.group_id)) continue;
      await outbox.add(record.group_id, this.#sendable(await recorder.groupLine(record.place)));
    }
    this.#outbox = outbox;
    outbox.start();
  }

  /** Settles when the group is safe on disk. */
  async deliver(key: string, line: string): Promise<void> {
    if (!this.#outbox) throw new LachesisError("internal", "The outbox is not open.");
    await this.#outbox.add(key, this.#sendable(line));
  }

  /** Keeps the status fresh until the signal aborts; calls back after each change. */
  async follow(onStatus: (status: EnvStatus) => void): Promise<void> {
    const { signal } = this.#options;
    let revision: number | null = null;
    while (!signal.aborted) {
      try {
        const watched = await this.#client.changedStatus(revision, WATCH_MS, signal);
        revision = watched.revision;
        this.#status = watched;
        this.#reached(null);
        onStatus(watched);
        if (revision === null) await this.#pause(POLL_MS);
      } catch (thrown) {
        if (signal.aborted) return;
        const error = toLachesisError(thrown);
        revision = null;
        if (error.code === "not_found") {
          this.#client.forget();
          await this.register().catch((cause) => logger.debug({ error: errorMessage(cause) }, "not registered again"));
        } else {
          this.#reached(error);
          await this.#pause(RETRY_MS);
        }
      }
    }
  }

  /** Sends what waits, bounded in time, and says good-bye. What could not be sent stays in the outbox. */
  async close(timeoutMs: number): Promise<number> {
    const left = (await this.#outbox?.flush(timeoutMs)) ?? 0;
    await this.#outbox?.close();
    if (this.#reachable && this.#client.registered) {
      await this.#client
        .disconnect()
        .catch((error) => logger.debug({ error: errorMessage(error) }, "not disconnected"));
    }
    await this.#client.close();
    return left;
  }

  /** Of a line of groups.jsonl, what goes over the wire. */
  #sendable(line: string): ScoredGroup {
    const {
      rollouts: _,
      not_scored: __,
      tools: ___,
      toolsets: ____,
      seed: _____,
      ...group
    } = JSON.parse(line) as ScoredGroup & Record<string, unknown>;
    if (group.token_source !== "sampled" && !(this.#options.allowRendered && group.token_source === "rendered")) {
      throw new LachesisError(
        "api_rejected",
        `Group ${group.group_id} has no tokens that the engine sampled; env.allow_rendered_tokens sends rendered ones.`,
      );
    }
    return group;
  }

  #reached(error: LachesisError | null): void {
    const reachable = error === null;
    if (reachable === this.#reachable) return;
    this.#reachable = reachable;
    this.#options.say(
      reachable
        ? "The trajectory API answers again."
        : `The trajectory API does not take groups: ${error?.message} What is finished waits in the outbox.`,
    );
  }

  #throwIfStopped(): void {
    if (this.#options.signal.aborted) throw new LachesisError("cancelled", "The run was interrupted.");
  }

  async #pause(ms: number): Promise<void> {
    await systemClock.sleep(ms, this.#options.signal).catch(() => this.#throwIfStopped());
  }
}
