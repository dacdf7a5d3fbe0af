/** Whether an answer with a batch left the server whole. A batch in one that did not, or that became an error, is given back. */
import type { FastifyReply } from "fastify";
import { errorMessage, logger } from "../../core/index.ts";
import { onceOver } from "./answer-end.ts";
import type { ApiContext } from "./context.ts";

/** Calls one of both when the answer is over. The server's end waits for what they do. */
export function whenOver(
  context: ApiContext,
  reply: FastifyReply,
  { sent, lost }: { sent(): Promise<unknown>; lost(): Promise<unknown> },
): void {
  const { socket } = reply.request.raw;
  let isSent = false;
  // An answer counts as finished also when its connection was reset and the rest of it thrown away.
  reply.raw.prependOnceListener("finish", () => {
    isSent = reply.statusCode === 200 && !socket.destroyed && socket.errored === null;
  });
  onceOver(reply.request.raw, reply.raw, () => {
    const task: Promise<unknown> = (isSent ? sent() : lost())
      .catch((error) =>
        logger.debug({ error: errorMessage(error) }, "a batch could not be settled; its lease will end"),
      )
      .finally(() => context.tasks.delete(task));
    context.tasks.add(task);
  });
}
