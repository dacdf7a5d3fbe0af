/**
 * HTTP connections to one origin. Each request has a connection of its own, taken from a stack of idle ones: thousands
 * of requests at once cost no search. With a proxy in the environment (HTTP_PROXY, HTTPS_PROXY, NO_PROXY) requests go
 * through it; loopback addresses never do. No limit lives here: the server's slots bound what is in flight.
 */
import { createRequire } from "node:module";
import type { buildConnector as BuildConnector, Client, Dispatcher, EnvHttpProxyAgent } from "undici";

// The package's own entry loads fetch, WebSocket and caches as well, a tenth of a second that every start would pay.
// The version is pinned, so its files can be named.
const load = createRequire(import.meta.url);
const HttpClient: typeof Client = load("undici/lib/dispatcher/client.js");
const buildConnector: typeof BuildConnector = load("undici/lib/core/connect.js");

const CONNECT_TIMEOUT_MS = 30_000;
const LOOPBACK = "localhost,127.0.0.1,::1,[::1]";

/** Long generations are bounded by the caller's AbortSignal only, never by undici's own time-outs. */
const NO_TIMEOUTS = { headersTimeout: 0, bodyTimeout: 0, allowH2: false } as const;

export interface ConnectionLease {
  dispatcher: Dispatcher;
  origin: string;
  release(): void;
}

export class HttpConnections {
  readonly #origin: string;
  readonly #proxy: Dispatcher | null;
  readonly #connector = buildConnector({ timeout: CONNECT_TIMEOUT_MS, allowH2: false });
  readonly #idle: Client[] = [];
  readonly #all = new Set<Client>();
  #closed = false;

  constructor(origin: string, env: NodeJS.ProcessEnv = process.env) {
    this.#origin = origin;
    this.#proxy = proxyFor(env);
  }

  /** A connection for one exchange: dispatch on it once, release it when the answer ended or failed. */
  lease(): ConnectionLease {
    if (this.#proxy !== null) return { dispatcher: this.#proxy, origin: this.#origin, release: () => undefined };
    const client = this.#idle.pop() ?? this.#open();
    return {
      dispatcher: client,
      origin: this.#origin,
      release: () => {
        if (!this.#closed) this.#idle.push(client);
      },
    };
  }

  /** Ends every connection; requests in flight fail. */
  async close(): Promise<void> {
    this.#closed = true;
    const clients = [...this.#all];
    this.#all.clear();
    this.#idle.length = 0;
    await Promise.all([...clients.map((client) => client.destroy()), this.#proxy?.destroy()]);
  }

  #open(): Client {
    const client = new HttpClient(this.#origin, { ...NO_TIMEOUTS, connect: this.#connector });
    this.#all.add(client);
    return client;
  }
}

function proxyFor(env: NodeJS.ProcessEnv): Dispatcher | null {
  const httpProxy = env.http_proxy || env.HTTP_PROXY;
  const httpsProxy = env.https_proxy || env.HTTPS_PROXY;
  if (!httpProxy && !httpsProxy) return null;
  const noProxy = [env.no_proxy || env.NO_PROXY, LOOPBACK].filter(Boolean).join(",");
  const ProxyAgent: typeof EnvHttpProxyAgent = load("undici/lib/dispatcher/env-http-proxy-agent.js");
  return new ProxyAgent({
    ...NO_TIMEOUTS,
    connections: null,
    noProxy,
    ...(httpProxy ? { httpProxy } : {}),
    ...(httpsProxy ? { httpsProxy } : {}),
  });
}
