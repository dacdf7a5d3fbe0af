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
  const { raw } = reply;
  const { socket } = raw;
  let isSent = false;
  const settle = () => {
    const task: Promise<unknown> = (isSent ? sent() : lost())
      .catch((error) =>
        logger.debug({ error: errorMessage(error) }, "a batch could not be settled; its lease will end"),
      )
      .finally(() => context.tasks.delete(task));
    context.tasks.add(task);
  };
  // Where nobody was there any more it is over already.
  if (!socket || socket.destroyed || raw.closed) {
    settle();
    return;
  }
  // An answer counts as finished also when its connection was reset and the rest of it thrown away.
  raw.prependOnceListener("finish", () => {
    isSent = !socket.destroyed && socket.errored === null;
  });
  raw.once("close", settle);
}
