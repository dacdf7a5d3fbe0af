/** Server-sent events over a fastify reply. What fails before the first event is an ordinary error answer; later, an event. */
import type { FastifyReply } from "fastify";
import { errorAnswer } from "./error-answers.ts";

export class EventStream {
  readonly #reply: FastifyReply;
  #begun = false;

  constructor(reply: FastifyReply) {
    this.#reply = reply;
  }

  send(data: unknown): void {
    const { raw } = this.#reply;
    if (!this.#begun) {
      this.#begun = true;
      this.#reply.hijack();
      raw.writeHead(200, { "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache" });
    }
    raw.write(`data: ${typeof data === "string" ? data : JSON.stringify(data)}\n\n`);
  }

  end(): void {
    this.send("[DONE]");
    this.#reply.raw.end();
  }

  /** Throws on when nothing was sent yet. */
  fail(error: unknown): void {
    if (!this.#begun) throw error;
    this.send(errorAnswer(error).body);
    this.#reply.raw.end();
  }
}
