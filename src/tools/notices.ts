/**
 * What a tool has to tell the model after its own call is over, such as that a background process ended. A notice
 * waits until some call of the rollout is answered and goes out with that answer, once; nothing is ever put between an
 * answer and its question, so the conversation keeps the form that every chat template and server takes.
 */
import type { StateHolder } from "./places.ts";

/** One thing to tell; `type` says what it is. */
export interface Notice {
  type: string;
  [field: string]: unknown;
}

/** Gives what is to be told now, and forgets it. */
export type NoticeSource = () => Notice[];

/** More of them wait for the next answer. */
const MOST_AT_ONCE = 15;

class Notices {
  readonly #sources: NoticeSource[] = [];
  #waiting: Notice[] = [];

  add(source: NoticeSource): void {
    this.#sources.push(source);
  }

  take(): Notice[] {
    for (const source of this.#sources) this.#waiting.push(...source());
    return this.#waiting.splice(0, MOST_AT_ONCE);
  }
}

/** The rollout's notices. */
export function noticesOf(holder: StateHolder): Notices {
  return holder.state("notices", () => new Notices());
}

/**
 * The result with what is to be told: objects get the field `notifications`, texts a paragraph at their end. A text that
 * is JSON, or a list, would no longer be one; notices wait for another result then.
 */
export function withNotices(result: string | object, holder: StateHolder): string | object {
  const isList = Array.isArray(result) || (typeof result === "string" && /^\s*[[{"]/.test(result));
  if (isList) return result;
  const notices = noticesOf(holder).take();
  if (notices.length === 0) return result;
  if (typeof result !== "string") return { ...result, notifications: notices };
  return `${result}\n\nNotifications:\n${notices.map((notice) => JSON.stringify(notice)).join("\n")}`;
}
