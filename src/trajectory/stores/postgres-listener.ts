/** Hears of changes that any server made: LISTEN on a connection of its own, made anew when it breaks. */
import type { Client } from "pg";
import { errorMessage, logger } from "../../core/index.ts";
import { RunListeners } from "./run-listeners.ts";

export const CHANNEL = "lachesis_runs";

const RETRY_MS = 1_000;

export class PostgresListener {
  readonly listeners = new RunListeners();
  readonly #connect: () => Client;
  #client: Client | null = null;
  #retry: NodeJS.Timeout | null = null;
  #closed = false;

  constructor(connect: () => Client) {
    this.#connect = connect;
  }

  async start(): Promise<void> {
    const client = this.#connect();
    client.on("notification", ({ payload }) => this.listeners.call(payload ?? ""));
    client.on("error", () => this.#again(client));
    client.on("end", () => this.#again(client));
    this.#client = client;
    await client.connect();
    if (this.#closed) return client.end();
    await client.query(`LISTEN ${CHANNEL}`);
    // What changed while nobody listened is not told again.
    this.listeners.callAll();
  }

  async close(): Promise<void> {
    this.#closed = true;
    if (this.#retry) clearTimeout(this.#retry);
    await this.#client?.end();
  }

  #again(client: Client): void {
    if (this.#closed || this.#client !== client) return;
    this.#client = null;
    this.#retry = setTimeout(() => {
      this.start().catch((error) => {
        logger.warn({ error: errorMessage(error) }, "the database's notices cannot be heard; trying again");
        if (this.#client) this.#again(this.#client);
      });
    }, RETRY_MS);
  }
}
