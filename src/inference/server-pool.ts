/**
 * Gives slots to requests: the healthy server with most free slots first; when none is free, first come, first served.
 * A request that waits is never forgotten: it gets a slot when one is given back, a limit rises, a pause ends or a
 * server comes back, and stops waiting when its signal aborts.
 */
import { type Clock, LachesisError } from "../core/index.ts";
import { cancelledBy, onAbort } from "./cancellation.ts";
import type { Server } from "./server.ts";
import type { Split } from "./server-metrics.ts";

/** A slot at a server. `release` gives it back; calling it again does nothing. */
export interface SlotLease {
  server: Server;
  release(): void;
}

/** A server that a request must leave alone until a monotonic time: it failed there, or was asked to wait. */
export interface Hold {
  server: Server;
  until: number;
}

interface Waiter {
  hold: Hold | null;
  start(lease: SlotLease): void;
  fail(error: LachesisError): void;
}

export class ServerPool {
  readonly #servers: readonly Server[];
  readonly #clock: Clock;
  readonly #queues: Record<Split, Set<Waiter>> = { train: new Set(), eval: new Set() };
  readonly #closing = new AbortController();
  #weight = 1;

  constructor(servers: readonly Server[], clock: Clock) {
    this.#servers = servers;
    this.#clock = clock;
  }

  /** Share of every server's slots that may be used, 0..1; at least one slot each. */
  set weight(value: number) {
    this.#weight = value;
    this.admit();
  }

  get weight(): number {
    return this.#weight;
  }

  waiting(split: Split): number {
    return this.#queues[split].size;
  }

  /** Waits for a slot; at the server of `hold` not before its time. Throws `cancelled`. */
  acquire(split: Split, signal?: AbortSignal, hold: Hold | null = null): Promise<SlotLease> {
    if (signal?.aborted) return Promise.reject(cancelledBy(signal));
    if (this.isClosed) return Promise.reject(closedError());
    const queue = this.#queues[split];
    if (queue.size === 0) {
      const server = this.#pick(split, hold);
      if (server !== null) return Promise.resolve(this.#lease(server, split));
    }
    if (hold !== null) this.#admitAt(hold.until);
    return new Promise((resolve, reject) => {
      const leave =
        signal === undefined
          ? () => undefined
          : onAbort(signal, () => {
              queue.delete(waiter);
              reject(cancelledBy(signal));
            });
      const waiter: Waiter = {
        hold,
        start(lease) {
          leave();
          resolve(lease);
        },
        fail(error) {
          leave();
          reject(error);
        },
      };
      queue.add(waiter);
    });
  }

  /** Lets in whoever can go now. Those who wait for their own hold to end do not stand in the way of others. */
  admit(): void {
    for (const split of ["train", "eval"] as const) {
      const queue = this.#queues[split];
      for (const waiter of queue) {
        const server = this.#pick(split, waiter.hold);
        if (server !== null) {
          queue.delete(waiter);
          waiter.start(this.#lease(server, split));
        } else if (waiter.hold === null) break;
      }
    }
  }

  /** Lets in again when the server's pause is over. */
  afterPause(server: Server): void {
    this.#admitAt(server.pausedUntil);
  }

  get isClosed(): boolean {
    return this.#closing.signal.aborted;
  }

  close(): void {
    this.#closing.abort();
    for (const queue of [this.#queues.train, this.#queues.eval]) {
      const waiters = [...queue];
      queue.clear();
      for (const waiter of waiters) waiter.fail(closedError());
    }
  }

  #pick(split: Split, hold: Hold | null): Server | null {
    const now = this.#clock.now();
    const anyUp = this.#servers.some((server) => !server.health.isDown);
    let best: Server | null = null;
    let bestFree = 0;
    for (const server of this.#servers) {
      const usable = anyUp ? !server.health.isDown : server.health.isGivenUp;
      if (!usable || server.pausedUntil > now) continue;
      if (server === hold?.server && hold.until > now) continue;
      const free = server.free(split, this.#weight);
      if (free > bestFree) {
        best = server;
        bestFree = free;
      }
    }
    return best;
  }

  #admitAt(time: number): void {
    const wait = time - this.#clock.now();
    if (wait <= 0) return;
    // Timers count whole milliseconds and may fire early by a part of one.
    this.#clock.sleep(Math.ceil(wait) + 1, this.#closing.signal).then(
      () => this.admit(),
      () => undefined,
    );
  }

  #lease(server: Server, split: Split): SlotLease {
    server.take(split);
    let held = true;
    return {
      server,
      release: () => {
        if (!held) return;
        held = false;
        server.giveBack(split);
        if (this.#queues.train.size > 0 || this.#queues.eval.size > 0) this.admit();
      },
    };
  }
}

/** What a request gets that was waiting or in flight when the servers were closed. */
export function closedError(): LachesisError {
  return new LachesisError("cancelled", "The inference servers were closed.");
}
