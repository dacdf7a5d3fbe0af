/** Starts the trajectory API on a store, and ends it without losing what it acknowledged. */

import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { errorMessage, LachesisError, logger, systemClock } from "../../core/index.ts";
import { dropSilentEnvs, silentEnvs } from "../state/membership.ts";
import { openStore } from "../stores/open.ts";
import { buildApp } from "./app.ts";
import { Tokens } from "./auth.ts";
import { BodyBudget } from "./bodies.ts";
import type { ApiContext } from "./context.ts";
import { ApiMetrics } from "./metrics.ts";
import { Revisions } from "./revisions.ts";

export interface ApiOptions {
  host?: string;
  /** 0: any free one. */
  port?: number;
  /** `sqlite:FILE`, `postgres://…` or `memory:`. */
  store?: string;
  /** A file of `role:token` lines. */
  tokensFile?: string | null;
  /** Default: the variable LACHESIS_API_TOKENS. */
  tokens?: string | null;
  maxQueueGroups?: number;
  maxQueueBytes?: number;
  /** Of a request body, expanded. */
  maxBodyBytes?: number;
  /** The run that v1 calls act on. */
  defaultRun?: string;
  /** v1: a call for a batch acknowledges the one before instead of its own. */
  ackPrevious?: boolean;
  /** Seconds without a sign of life after which an env counts as disconnected. */
  envSilence?: number;
}

export const API_DEFAULTS = {
  host: "127.0.0.1",
  port: 8000,
  store: "sqlite:lachesis-api.db",
  maxQueueGroups: 200_000,
  /** On disk. */
  maxQueueBytes: 64 * 1024 ** 3,
  maxBodyBytes: 256 * 1024 ** 2,
  defaultRun: "default",
  envSilence: 300,
} as const;

export interface RunningApi {
  url: string;
  store: string;
  close(): Promise<void>;
}

/** A queue that stands in memory is bounded more narrowly, where nobody said otherwise. */
const MEMORY_QUEUE_BYTES = 1024 ** 3;
/** So many of the largest bodies may be on their way at once, and as many more smaller ones. */
const BODIES_AT_ONCE = 4;

const CHORES_MS = 10_000;
const GRACE_MS = 2_500;

/**
 * @example
 * const api = await startApi({ port: 0, store: "memory:" });
 * await fetch(`${api.url}/status`);
 * await api.close();
 */
export async function startApi(options: ApiOptions = {}): Promise<RunningApi> {
  const settings = { ...API_DEFAULTS, ...defined(options) };
  const tokens = await readTokens(options);
  if (tokens.empty && !isLoopback(settings.host)) {
    throw new LachesisError(
      "config_invalid",
      `Refusing to listen on ${settings.host} without tokens: give --tokens FILE or LACHESIS_API_TOKENS=role:token, or listen on 127.0.0.1.`,
    );
  }
  const store = await openStore(settings.store);
  const closing = new AbortController();
  const context: ApiContext = {
    store,
    clock: systemClock,
    tokens,
    bounds: {
      groups: settings.maxQueueGroups,
      bytes: options.maxQueueBytes ?? (store.inMemory ? MEMORY_QUEUE_BYTES : settings.maxQueueBytes),
    },
    maxBytes: settings.maxBodyBytes,
    budget: new BodyBudget(BODIES_AT_ONCE * settings.maxBodyBytes),
    defaultRun: settings.defaultRun,
    ackPrevious: settings.ackPrevious ?? false,
    silenceMs: settings.envSilence * 1000,
    process: randomUUID().slice(0, 8),
    metrics: new ApiMetrics(store),
    tasks: new Set(),
    revisions: new Revisions(store, closing.signal),
    closing: closing.signal,
  };
  const app = buildApp(context);
  const chores = setInterval(() => {
    dropSilent(context).catch((error) =>
      logger.warn({ error: errorMessage(error) }, "silent environments stay for now"),
    );
  }, CHORES_MS);
  try {
    await app.listen({ host: settings.host, port: settings.port });
  } catch (error) {
    clearInterval(chores);
    await store.close();
    throw listenError(error, settings);
  }
  const address = app.server.address();
  const port = typeof address === "object" && address ? address.port : settings.port;
  return {
    url: `http://${settings.host.includes(":") ? `[${settings.host}]` : settings.host}:${port}`,
    store: store.name,
    async close() {
      clearInterval(chores);
      closing.abort();
      // What is being answered may end; what takes longer is cut.
      const cut = setTimeout(() => app.server.closeAllConnections(), GRACE_MS);
      await app.close();
      clearTimeout(cut);
      await new Promise((resolve) => setImmediate(resolve));
      await Promise.allSettled(context.tasks);
      await store.close();
    },
  };
}

async function dropSilent(context: ApiContext): Promise<void> {
  const { store, silenceMs } = context;
  for (const run of await store.runs()) {
    const isDue = await store.read(run, (state, now) => silentEnvs(state, now, silenceMs).length > 0);
    // Where another server is at it, it need not be done twice.
    if (isDue) await store.tryUpdate(run, (state, now) => dropSilentEnvs(state, now, silenceMs));
  }
}

async function readTokens({ tokensFile, tokens }: ApiOptions): Promise<Tokens> {
  if (tokensFile) {
    try {
      return new Tokens(await readFile(tokensFile, "utf8"), tokensFile);
    } catch (error) {
      if (error instanceof LachesisError) throw error;
      throw new LachesisError("config_invalid", `--tokens ${tokensFile} cannot be read.`, { cause: error });
    }
  }
  return new Tokens(tokens ?? process.env.LACHESIS_API_TOKENS ?? "", "LACHESIS_API_TOKENS");
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || host.startsWith("127.");
}

function listenError(error: unknown, { host, port }: { host: string; port: number }): LachesisError {
  const code = (error as NodeJS.ErrnoException).code;
  const why = code === "EADDRINUSE" ? "another program listens there" : String(error);
  return new LachesisError("config_invalid", `Cannot listen on ${host}:${port}: ${why}.`, { cause: error });
}

function defined<T extends object>(options: T): T {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined && value !== null)) as T;
}
