/**
 * Server-sent events of one answer. Nothing is sent while the answer may still fail with an ordinary status; a slow
 * answer is bridged by pings, and what fails after those is an event.
 */
import type { FastifyReply } from "fastify";
import type { Dialect, WireEvent } from "./dialect.ts";
import { wireProblem } from "./wire-errors.ts";

/** Milliseconds without an answer until the stream is opened, and between pings. */
const PING_MS = 10_000;

export async function sendEvents<Answer>(
  reply: FastifyReply,
  dialect: Dialect,
  answer: Promise<Answer>,
  events: (answer: Answer) => Iterable<WireEvent>,
  pingMs = PING_MS,
): Promise<void> {
  const { raw } = reply;
  let begun = false;
  const begin = () => {
    if (begun) return;
    begun = true;
    reply.hijack();
    raw.writeHead(200, { "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache" });
  };
  const timer = setInterval(() => {
    begin();
    raw.write(dialect.ping ? frame(dialect.ping) : ": waiting\n\n");
  }, pingMs);
  try {
    const value = await answer;
    clearInterval(timer);
    begin();
    for (const event of events(value)) {
      if (raw.destroyed) return;
      if (!raw.write(frame(event))) await drained(raw);
    }
    raw.end();
  } catch (error) {
    if (!begun) throw error;
    raw.end(frame(dialect.errorEvent(wireProblem(error))));
  } finally {
    clearInterval(timer);
  }
}

function frame({ event, data }: WireEvent): string {
  const text = typeof data === "string" ? data : JSON.stringify(data);
  return `${event === undefined ? "" : `event: ${event}\n`}data: ${text}\n\n`;
}

/** Until the client has read on, or is gone. */
function drained(raw: NodeJS.WritableStream): Promise<void> {
  return new Promise((resolve) => {
    const go = () => {
      raw.off("drain", go);
      raw.off("close", go);
      resolve();
    };
    raw.once("drain", go);
    raw.once("close", go);
  });
}
