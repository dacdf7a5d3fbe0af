/**
 * One address before one or several servers, over a bad network: each connection goes to any of the servers, some are
 * slow, in pieces, and some are cut in the middle, in either direction.
 */
import { connect, createServer, type Server, type Socket } from "node:net";
import { Transform } from "node:stream";

export interface BadNetwork {
  port: number;
  cuts(): number;
  slow(): number;
  close(): void;
}

/** @param targets Ports of the servers. */
export async function badNetwork(targets: readonly number[], chance: () => number): Promise<BadNetwork> {
  const open = new Set<Socket>();
  let cuts = 0;
  let slow = 0;
  const server: Server = createServer((client) => {
    const upstream = connect(targets[Math.floor(chance() * targets.length)]!, "127.0.0.1");
    const isSlow = chance() < 0.2;
    if (isSlow) slow++;
    const cut = () => {
      client.destroy();
      upstream.destroy();
    };
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      open.add(from);
      from.on("error", cut).on("close", () => {
        open.delete(from);
        cut();
      });
      (isSlow ? from.pipe(inPieces(chance)) : from).pipe(to);
    }
    if (chance() < 0.15) {
      setTimeout(() => {
        if (!client.destroyed) cuts++;
        cut();
      }, chance() * 60).unref();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  return {
    port,
    cuts: () => cuts,
    slow: () => slow,
    close() {
      server.close();
      for (const socket of open) socket.destroy();
    },
  };
}

function inPieces(chance: () => number): Transform {
  return new Transform({
    transform(chunk: Buffer, _, done) {
      const middle = Math.floor(chance() * chunk.length);
      this.push(chunk.subarray(0, middle));
      setTimeout(() => done(null, chunk.subarray(middle)), chance() * 40);
    },
  });
}
