/** Connections that a sandbox opens to a forwarded socket, joined to the host's unix socket with bounded buffers both ways. */
import { connect, type Socket } from "node:net";
import type { FrameHandler, HelperConnection } from "./connection.ts";
import { T, WINDOW_BYTES } from "./protocol.ts";

const PIECE_BYTES = 64 * 1024;

export class ForwardedSocket implements FrameHandler {
  readonly #connection: HelperConnection;
  readonly #id: number;
  readonly #socket: Socket;
  /** Bytes that the helper can still take. */
  #window = WINDOW_BYTES;
  #ended = { fromHost: false, fromSandbox: false };

  constructor(connection: HelperConnection, id: number, hostPath: string) {
    this.#connection = connection;
    this.#id = id;
    this.#socket = connect({ path: hostPath, allowHalfOpen: true });
    this.#socket.on("readable", () => this.#pump());
    this.#socket.on("end", () => {
      this.#ended.fromHost = true;
      connection.send(T.socketEnd, id);
      this.#over();
    });
    this.#socket.on("error", () => this.#close());
    this.#socket.on("close", () => {
      if (!this.#ended.fromHost) this.#close();
    });
  }

  frame(type: number, payload: Buffer): boolean {
    if (type === T.socketData) {
      const bytes = Buffer.from(payload);
      const ack = Buffer.alloc(4);
      ack.writeUInt32LE(bytes.length, 0);
      this.#socket.write(bytes, () => this.#connection.send(T.socketAck, this.#id, ack));
    } else if (type === T.socketAck) {
      this.#window = Math.min(this.#window + payload.readUInt32LE(0), WINDOW_BYTES);
      this.#pump();
    } else if (type === T.socketEnd) {
      this.#ended.fromSandbox = true;
      this.#socket.end();
      return this.#isOver();
    } else if (type === T.socketClose) {
      this.#socket.destroy();
      this.#ended = { fromHost: true, fromSandbox: true };
      return true;
    }
    return false;
  }

  closed(): void {
    this.#ended = { fromHost: true, fromSandbox: true };
    this.#socket.destroy();
  }

  #pump(): void {
    while (this.#window > 0) {
      const available = this.#socket.readableLength;
      if (available === 0) {
        this.#socket.read(0);
        return;
      }
      const piece: Buffer | null = this.#socket.read(Math.min(available, this.#window, PIECE_BYTES));
      if (!piece) return;
      this.#window -= piece.length;
      this.#connection.send(T.socketData, this.#id, piece);
    }
  }

  #close(): void {
    if (this.#isOver()) return;
    this.#ended = { fromHost: true, fromSandbox: true };
    this.#connection.send(T.socketClose, this.#id);
    this.#connection.forget(this.#id);
    this.#socket.destroy();
  }

  #isOver(): boolean {
    return this.#ended.fromHost && this.#ended.fromSandbox;
  }

  #over(): void {
    if (this.#isOver()) this.#connection.forget(this.#id);
  }
}
