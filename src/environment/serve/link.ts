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
  type WatchedStatus,
} from "../../trajectory/index.ts";
import { keyOf, readIdentity, type ServeIdentity, writeIdentity } from "./identity.ts";

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

/** What the trainer and the API said when the environment registered. */
export interface Registered {
  env: EnvRegistered;
  batchSize: number;
  maxTokenLength: number;
}

export interface Following {
  status(status: EnvStatus): void;
  /** The API had forgotten the environment, and it registered anew: another trainer may stand behind it. */
  registered(registered: Registered): void;
}

const POLL_MS = 500;
const WATCH_MS = 20_000;
const RETRY_MS = 1_000;
/** Trouble with sending is said when it lasts so long. */
const TROUBLE_MS = 2_000;
const DISCONNECT_MS = 2_000;
/** A server of protocol v1 that has forgotten an environment answers 500 to its question for the status. */
const FORGOTTEN_AFTER = 3;

export class ApiLink {
  readonly #options: LinkOptions;
  readonly #identity: ServeIdentity;
  readonly #client: EnvClient;
  #outbox: Outbox | null = null;
  #status: WatchedStatus | null = null;
  #reachable = true;
  /** Groups that the API has taken, and how many of them the newest status can know of. */
  #sent = 0;
  #counted = 0;
  #troubleSince: number | null = null;
  #trouble: string | null = null;
  #awaited: string | null = null;
  #serverErrors = 0;
  rejected = 0;

  private constructor(options: LinkOptions, identity: ServeIdentity) {
    this.#options = options;
    this.#identity = identity;
    this.#client = new EnvClient({ url: options.url, token: options.token, envToken: identity.token });
  }

  static async open(options: LinkOptions): Promise<ApiLink> {
    return new ApiLink(options, await readIdentity(options.directory));
  }

  /** The newest status; null before the first, and while the API cannot be reached or does not know the environment. */
  get status(): EnvStatus | null {
    return this.#reachable && this.#client.registered ? this.#status : null;
  }

  /** No trainer has asked for a batch for a long time. */
  get trainerGone(): boolean {
    return this.#status?.trainer_gone ?? false;
  }

  /** Finished groups that the status does not count: they wait in the outbox, or were sent after it was asked for. */
  get waiting(): number {
    return this.pending + this.#sent - this.#counted;
  }

  /** Groups in the outbox. */
  get pending(): number {
    return this.#outbox?.pending ?? 0;
  }

  /** The name under which the environment first registered in this run. */
  get name(): string {
    return this.#identity.name ?? this.#options.registration.desired_name;
  }

  /** What is being waited for, or null while all is well. */
  get awaited(): string | null {
    return this.#awaited ?? this.#trouble;
  }

  /** Waits for the API and its trainer, as long as it takes. Throws what waiting cannot mend, and `cancelled`. */
  async register(): Promise<Registered> {
    const { signal, registration } = this.#options;
    for (;;) {
      this.#throwIfStopped();
      try {
        const env = await this.#client.register(registration, signal);
        if (env) {
          const info = await this.#client.info(signal);
          await this.#remember(env);
          this.#await(null);
          return { env, batchSize: info.batch_size, maxTokenLength: info.max_token_len };
        }
        this.#await(`waiting for a trainer to start at ${this.#options.url}`);
      } catch (thrown) {
        const error = toLachesisError(thrown);
        if (!error.retryable) throw error;
        this.#await(`waiting for the trajectory API: ${error.message}`);
      }
      await this.#pause(RETRY_MS);
    }
  }

  /** Opens the outbox; groups that an earlier process finished and did not send go first. */
  async openOutbox(recorder: Recorder): Promise<void> {
    const outbox = await Outbox.open({
      directory: join(this.#options.directory, "outbox"),
      send: (group, key, signal) => this.#send(group as ScoredGroup, key, signal),
      onRejected: (key, error) => {
        this.rejected++;
        this.#options.say(`The trajectory API refused group ${key}: ${error.message}`);
      },
      onTrouble: (error) => this.#sending(error),
    });
    for (const record of recorder.state.groups.values()) {
      if (record.status !== "written" || !record.place || outbox.knows(record.group_id)) continue;
      await outbox.add(record.group_id, this.#sendable(await recorder.groupLine(record.place)));
    }
    this.#outbox = outbox;
    outbox.start();
  }

  /** Settles when the group is safe on disk. */
  async deliver(groupId: string, line: string): Promise<void> {
    if (!this.#outbox) throw new LachesisError("internal", "The outbox is not open.");
    await this.#outbox.add(groupId, this.#sendable(line));
  }

  /** Keeps the status fresh until the signal aborts. Never rejects. */
  async follow(on: Following): Promise<void> {
    const { signal } = this.#options;
    let revision: number | null = null;
    while (!signal.aborted) {
      try {
        if (!this.#client.registered) {
          revision = null;
          on.registered(await this.register());
        }
        const watched = await this.#watch(revision);
        revision = watched.revision;
        this.#status = watched;
        this.#reached(null);
        if (this.trainerGone) this.#await("waiting for the trainer: it has not asked for a batch for a long time");
        on.status(watched);
        if (revision === null) await this.#pause(POLL_MS);
      } catch (thrown) {
        if (signal.aborted) return;
        revision = null;
        const error = toLachesisError(thrown);
        if (error.code === "not_found" || this.#seemsForgotten(error)) this.#client.forget();
        else {
          this.#reached(error);
          await systemClock
            .sleep(RETRY_MS, signal)
            .catch((cause) => logger.debug({ error: errorMessage(cause) }, "no longer following the trajectory API"));
        }
      }
    }
  }

  /** Waits until everything was sent, at most so long; gives what is left, which stays on disk. */
  async flush(timeoutMs: number): Promise<number> {
    return (await this.#outbox?.flush(timeoutMs)) ?? 0;
  }

  /** Stops sending and says good-bye, within a few seconds. */
  async close(): Promise<void> {
    await this.#outbox?.close();
    if (this.#reachable && this.#client.registered) {
      const late = new AbortController();
      const bye = this.#client
        .disconnect()
        .catch((error) => logger.debug({ error: errorMessage(error) }, "not disconnected"));
      await Promise.race([bye, systemClock.sleep(DISCONNECT_MS, late.signal).catch(() => undefined)]);
      late.abort();
    }
    await this.#client.close();
  }

  async #watch(revision: number | null): Promise<WatchedStatus> {
    const sent = this.#sent;
    const watched = await this.#client.changedStatus(revision, WATCH_MS, this.#options.signal);
    // A status that was waited for is as new as its answer; another one only as new as the question.
    this.#counted = revision === null ? sent : this.#sent;
    this.#serverErrors = 0;
    return watched;
  }

  async #send(group: ScoredGroup, groupId: string, signal: AbortSignal): Promise<void> {
    if (!this.#client.registered) {
      // Without its environment's id the API could not count the group for anybody.
      throw new LachesisError("api_unavailable", "The environment is not registered.", {
        details: { retryAfterMs: POLL_MS },
      });
    }
    try {
      await this.#client.submit(this.#client.bodyOf(group), keyOf(this.#identity, groupId, group), signal);
    } catch (error) {
      // The key is this group's alone: the API took it under an earlier registration, whose id stood in the body.
      if (toLachesisError(error).details.status !== 409) throw error;
    }
    this.#sent++;
  }

  async #remember({ wandb_name }: EnvRegistered): Promise<void> {
    const token = this.#client.envToken;
    if (this.#identity.token === token && this.#identity.name !== null) return;
    this.#identity.token = token;
    this.#identity.name ??= wandb_name;
    await writeIdentity(this.#options.directory, this.#identity);
  }

  /** Of a line of groups.jsonl, what goes over the wire. */
  #sendable(line: string): ScoredGroup {
    const {
      rollouts: _,
      not_scored: __,
      toolsets: ___,
      seed: ____,
      tools,
      ...group
    } = JSON.parse(line) as ScoredGroup & Record<string, unknown>;
    if (group.token_source !== "sampled" && !(this.#options.allowRendered && group.token_source === "rendered")) {
      throw new LachesisError(
        "api_rejected",
        `Group ${group.group_id} has no tokens that the engine sampled; env.allow_rendered_tokens sends rendered ones.`,
      );
    }
    // Conversations go to those who make rows of them, with the tools that the model was offered. The protocol has no field
    // for tools, but takes any parameter of the generation.
    if (tools && group.messages) group.generation_params = { ...group.generation_params, tools };
    return group;
  }

  #seemsForgotten(error: LachesisError): boolean {
    this.#serverErrors = error.details.status === 500 && !this.#client.canWatch ? this.#serverErrors + 1 : 0;
    return this.#serverErrors >= FORGOTTEN_AFTER;
  }

  #reached(error: LachesisError | null): void {
    this.#reachable = error === null;
    if (error === null && this.trainerGone) return;
    this.#await(error && `the trajectory API does not answer: ${error.message}`);
  }

  /** Sending has its own pace: a full queue, or an API that is away for a moment, is not worth a word. */
  #sending(error: LachesisError | null): void {
    if (error === null) {
      this.#troubleSince = null;
      this.#trouble = null;
      return;
    }
    this.#troubleSince ??= systemClock.now();
    if (this.#trouble !== null || this.#awaited !== null) return;
    if (systemClock.now() - this.#troubleSince < TROUBLE_MS) return;
    this.#trouble = `groups wait in the outbox: ${error.message}`;
    this.#options.say(sentence(this.#trouble));
  }

  /** Says what is waited for when it changes, and when it is over. */
  #await(text: string | null): void {
    if (text === this.#awaited) return;
    this.#options.say(text === null ? "The trajectory API and its trainer answer." : sentence(text));
    this.#awaited = text;
  }

  #throwIfStopped(): void {
    if (this.#options.signal.aborted) throw new LachesisError("cancelled", "The run was interrupted.");
  }

  async #pause(ms: number): Promise<void> {
    await systemClock.sleep(ms, this.#options.signal).catch(() => this.#throwIfStopped());
  }
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
}
