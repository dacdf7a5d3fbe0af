/**
 * When an answer is over: sent, or its connection gone. An answer that waits for the ones before it on its connection
 * (HTTP pipelining) has no connection of its own yet, and Node does not tell it when that goes.
 */
import type { IncomingMessage, ServerResponse } from "node:http";

/** Acts once: at once where it is over already. */
export function onceOver({ socket }: IncomingMessage, response: ServerResponse, act: () => void): void {
  if (socket.destroyed || response.closed) {
    act();
    return;
  }
  const over = () => {
    response.off("close", over);
    socket.off("close", over);
    act();
  };
  // As many as there are requests on the connection.
  socket.setMaxListeners(0);
  response.on("close", over);
  socket.on("close", over);
}
