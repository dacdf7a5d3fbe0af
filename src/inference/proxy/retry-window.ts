/**
 * Keeps SDK retries from being calls of their own. A request with the same body gets the same answer while the first is
 * in flight, when its answer was never delivered whole, when it is marked as a retry, or when it carries the same
 * idempotency key. A body that comes again after its answer was delivered is a new call.
 */
import { createHash } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";

/** Delivered answers that are kept for late retries. */
const KEPT = 64;

export interface Exchange<Answer> {
  readonly answer: Promise<Answer>;
  /** Called when a client has been sent the whole answer; with false when it turns out that it was gone by then. */
  delivered(whole: boolean): void;
}

interface Entry<Answer> {
  answer: Promise<Answer>;
  delivered: boolean;
  idempotencyKey: string | null;
}

export class RetryWindow<Answer> {
  readonly #entries = new Map<string, Entry<Answer>>();

  /** The exchange that answers this request: a known one, or a new one made by `call`. */
  enter(path: string, body: unknown, headers: IncomingHttpHeaders, call: () => Promise<Answer>): Exchange<Answer> {
    const key = createHash("sha256").update(path).update("\0").update(JSON.stringify(body)).digest("base64");
    const idempotencyKey = one(headers["idempotency-key"]);
    const known = this.#entries.get(key);
    if (
      known &&
      (!known.delivered || isRetry(headers) || (idempotencyKey !== null && idempotencyKey === known.idempotencyKey))
    ) {
      return exchange(known);
    }
    const entry: Entry<Answer> = { answer: call(), delivered: false, idempotencyKey };
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    // A call that failed is made again.
    entry.answer.catch(() => {
      if (this.#entries.get(key) === entry) this.#entries.delete(key);
    });
    this.#forgetOldest();
    return exchange(entry);
  }

  #forgetOldest(): void {
    let kept = 0;
    for (const [key, entry] of [...this.#entries].reverse()) {
      if (entry.delivered && ++kept > KEPT) this.#entries.delete(key);
    }
  }
}

function exchange<Answer>(entry: Entry<Answer>): Exchange<Answer> {
  return {
    answer: entry.answer,
    delivered: (whole) => {
      entry.delivered = whole;
    },
  };
}

function isRetry(headers: IncomingHttpHeaders): boolean {
  return Number(one(headers["x-stainless-retry-count"]) ?? 0) > 0;
}

function one(header: string | string[] | undefined): string | null {
  return (Array.isArray(header) ? header[0] : header) ?? null;
}
