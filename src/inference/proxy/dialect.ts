/** What the three dialects have in common: a request becomes a chat request, an answer a body or a row of events. */
import type { ChatRequest } from "../contract.ts";
import type { Body } from "../embedded/http/body.ts";
import type { ProxySession, WireAnswer } from "./proxy-session.ts";
import type { WireProblem } from "./wire-errors.ts";

/** A server-sent event; without a name where the dialect has none. */
export interface WireEvent {
  event?: string;
  data: Body | string;
}

/** A request that was read. */
export interface Asked {
  request: ChatRequest;
  stream: boolean;
  /** The body, for fields that are said back. */
  body: Body;
}

export interface Dialect {
  read(body: Body, session: ProxySession): Asked;
  whole(answer: WireAnswer, asked: Asked, session: ProxySession): Body;
  events(answer: WireAnswer, asked: Asked, session: ProxySession): Iterable<WireEvent>;
  /** What keeps a slow stream open. */
  readonly ping: WireEvent | null;
  error(problem: WireProblem): object;
  /** An error after the stream began. */
  errorEvent(problem: WireProblem): WireEvent;
}

/** Characters of one delta of a streamed answer. */
const PIECE = 48;

/** A text in pieces that never cut a surrogate pair. */
export function* pieces(text: string): Iterable<string> {
  let at = 0;
  while (at < text.length) {
    let end = Math.min(at + PIECE, text.length);
    if (end < text.length && /[\uD800-\uDBFF]/.test(text[end - 1]!)) end++;
    yield text.slice(at, end);
    at = end;
  }
}
