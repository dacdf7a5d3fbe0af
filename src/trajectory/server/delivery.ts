/** Whether an answer left the server whole. A batch in one that did not is given back. */
import type { FastifyReply } from "fastify";
import { errorMessage, logger } from "../../core/index.ts";
import type { ApiContext } from "./context.ts";

/** Calls one of both when the answer is over. The server's end waits for what they do. */
export function whenOver(
  context: ApiContext,
  reply: FastifyReply,
  { sent, lost }: { sent(): Promise<unknown>; lost(): Promise<unknown> },
): void {
  reply.raw.once("close", () => {
    const task: Promise<unknown> = (reply.raw.writableFinished ? sent() : lost())
      .catch((error) =>
        logger.debug({ error: errorMessage(error) }, "a batch could not be settled; its lease will end"),
      )
      .finally(() => context.tasks.delete(task));
    context.tasks.add(task);
  });
}
