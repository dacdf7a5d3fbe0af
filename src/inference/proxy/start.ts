/**
 * Starts a session proxy in this process: on a TCP address, on a unix socket for sandboxes, or both. Closing it ends its
 * sessions and calls; servers that the caller gave stay the caller's.
 */
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { type Clock, LachesisError, systemClock } from "../../core/index.ts";
import type { ChatServer, TokenServer } from "../contract.ts";
import type { ServerConfigInput } from "../server-config.ts";
import { type ChatTokenizer, Session } from "../sessions/index.ts";
import { Access, isLoopback } from "./access.ts";
import type { proxyApp } from "./app.ts";
import { type Backend, ManagedBackends, type ServerFacts } from "./backends.ts";
import { ProxySession, type ProxySessionOptions } from "./proxy-session.ts";
import type { SessionRequest } from "./session-request.ts";
import { refusal } from "./wire-errors.ts";

export interface ProxyOptions {
  /** Token server of the sessions; calls are captured token-exactly. Needs `tokenizer`. */
  server?: TokenServer;
  /** Chat server of the sessions, where there is no token server. */
  chatServer?: ChatServer;
  tokenizer?: ChatTokenizer;
  /** Reported as the answers' model. Default "default". */
  model?: string;
  /** Server configurations, in place of the above. The proxy closes what it opens for them. */
  servers?: ServerConfigInput | readonly ServerConfigInput[];
  /** TCP port; 0 takes a free one, null listens on none. Default 0. */
  port?: number | null;
  /** Default 127.0.0.1. Beyond loopback every call needs its session's key. */
  host?: string;
  /** Listen on a unix socket, too: at a path, or with `true` at a new one that only this user can reach. */
  socket?: string | true;
  /** Lets callers of other machines make sessions, and is then needed here, too. */
  adminKey?: string | null;
  /** Format of tool calls where a session names none. Default hermes. */
  toolParser?: string;
  /** Milliseconds without an answer until a stream is opened with a ping, and between pings. Default 10,000. */
  pingMs?: number;
  clock?: Clock;
}

/** What a session of `createSession` may be given beyond the wire's fields. */
export type CreateSession = Partial<SessionRequest> &
  Pick<ProxySessionOptions, "sampling" | "defaultMaxTokens"> & {
    /** A chat server of the session's own, such as the token view of a rollout. */
    server?: ChatServer;
  };

export interface OpenedSession {
  uuid: string;
  api_key: string;
  /** With /v1, for OpenAI clients; null without a TCP address. */
  base_url: string | null;
  session: ProxySession;
}

export interface SessionProxy {
  /** null where it listens on a socket only. */
  readonly url: string | null;
  readonly socketPath: string | null;
  createSession(options?: CreateSession): Promise<OpenedSession>;
  /** Ends its calls under way; its capture can still be read from the session object. */
  endSession(uuid: string): Promise<void>;
  close(): Promise<void>;
}

/** Sessions that may be open at once. */
const MOST_SESSIONS = 100_000;

/**
 * @example
 * const proxy = await startProxy({ server: manager, tokenizer: await loadTokenizer("models/tiny"), model: "tiny" });
 * const { base_url, api_key, session } = await proxy.createSession({ budgets: { max_turns: 20 } });
 * // … an agent program talks to base_url with api_key …
 * const rows = session.sequences().sequences;
 * await proxy.close();
 */
export async function startProxy(options: ProxyOptions): Promise<SessionProxy> {
  // The HTTP server is loaded when the first proxy is started: most runs have none.
  const { proxyApp } = await import("./app.ts");
  const proxy = new RunningProxy(options, proxyApp);
  await proxy.listen();
  return proxy;
}

class RunningProxy implements SessionProxy {
  url: string | null = null;
  socketPath: string | null = null;
  readonly #options: ProxyOptions;
  readonly #managed: ManagedBackends | null;
  readonly #sessions = new Map<string, ProxySession>();
  readonly #onSocket = new WeakSet<IncomingMessage>();
  readonly #app: FastifyInstance;
  #socketServer: Server | null = null;
  #socketFolder: string | null = null;

  constructor(options: ProxyOptions, makeApp: typeof proxyApp) {
    this.#options = options;
    this.#managed = options.servers === undefined ? null : new ManagedBackends(options.servers);
    if (!this.#managed && !options.chatServer && !(options.server && options.tokenizer)) {
      throw new LachesisError(
        "config_invalid",
        "A proxy needs `servers`, a `server` with its `tokenizer`, or a `chatServer`.",
      );
    }
    const access = new Access({
      keysOptional: isLoopback(options.host ?? "127.0.0.1"),
      adminKey: options.adminKey ?? null,
      isSocket: (request) => this.#onSocket.has(request.raw),
    });
    const self = this;
    this.#app = makeApp({
      sessions: this.#sessions,
      access,
      get model() {
        return self.#model;
      },
      create: (request) => this.#create(request),
      end: (session) => this.endSession(session.uuid),
      servers: () => this.#servers(),
      setup: async (servers) => {
        if (!this.#managed) throw refusal(400, "unsupported", "This proxy belongs to a run and keeps its servers.");
        await this.#managed.setup(servers);
      },
      addressOf: (session, request) => `${this.#originOf(request)}/${session.uuid}/v1`,
      ...(options.pingMs !== undefined && { pingMs: options.pingMs }),
    });
  }

  async listen(): Promise<void> {
    const { port = 0, host = "127.0.0.1", socket } = this.#options;
    try {
      await this.#managed?.open(null); // a tokenizer that is missing is said now, not to the first session
      if (port === null) await this.#app.ready();
      else this.url = await this.#listenTcp(host, port);
      if (socket !== undefined) await this.#listenSocket(socket);
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  async createSession(options: CreateSession = {}): Promise<OpenedSession> {
    const session = await this.#create(options);
    const base_url = this.url === null ? null : `${this.url}/${session.uuid}/v1`;
    return { uuid: session.uuid, api_key: session.apiKey, base_url, session };
  }

  async endSession(uuid: string): Promise<void> {
    const session = this.#sessions.get(uuid);
    this.#sessions.delete(uuid);
    await session?.close();
  }

  async close(): Promise<void> {
    await Promise.all([...this.#sessions.keys()].map((uuid) => this.endSession(uuid)));
    const server = this.#socketServer;
    this.#socketServer = null;
    if (server) {
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
    }
    await this.#app.close();
    if (this.#socketFolder) rmSync(this.#socketFolder, { recursive: true, force: true });
    this.#socketFolder = null;
    await this.#managed?.close();
  }

  async #create(request: CreateSession): Promise<ProxySession> {
    if (this.#sessions.size >= MOST_SESSIONS) {
      throw refusal(503, "too_many_sessions", `${MOST_SESSIONS} sessions are open; end some with DELETE /{uuid}.`);
    }
    const {
      tool_parser,
      track_tree,
      base_url,
      preserve_thinking,
      template_kwargs,
      stop,
      budgets,
      sampling,
      defaultMaxTokens,
    } = request;
    const toolParser = tool_parser ?? this.#options.toolParser ?? "hermes";
    const backend = await this.#backend(base_url ?? null);
    const tracked =
      !request.server && backend.tokens && backend.tokenizer
        ? new Session({
            server: backend.tokens,
            tokenizer: backend.tokenizer,
            model: backend.model,
            toolCallParser: toolParser,
            ...(preserve_thinking !== undefined && { preserveThinking: preserve_thinking }),
            ...(template_kwargs && { templateKwargs: template_kwargs }),
          })
        : null;
    const session = new ProxySession({
      server: request.server ?? tracked ?? backend.chat,
      tracked,
      tokenizer: backend.tokenizer,
      model: backend.model,
      toolParser,
      trackTree: track_tree ?? false,
      serverUrl: base_url ?? null,
      ...(budgets && { budgets }),
      ...(stop && { stop }),
      ...(sampling && { sampling }),
      ...(defaultMaxTokens !== undefined && { defaultMaxTokens }),
      clock: this.#options.clock ?? systemClock,
    });
    this.#sessions.set(session.uuid, session);
    return session;
  }

  async #backend(baseUrl: string | null): Promise<Backend> {
    if (this.#managed) return this.#managed.open(baseUrl);
    if (baseUrl !== null)
      throw refusal(400, "unknown_server", "base_url: this proxy belongs to a run, which chooses the server itself.");
    const { server = null, chatServer, tokenizer = null } = this.#options;
    const nobody: ChatServer = {
      chatCompletion: () => Promise.reject(new LachesisError("internal", "This session has no server.")),
    };
    return { tokens: tokenizer ? server : null, chat: chatServer ?? nobody, tokenizer, model: this.#model };
  }

  get #model(): string {
    return this.#managed?.manager.modelName ?? this.#options.model ?? "default";
  }

  #servers(): ServerFacts[] {
    return this.#managed?.facts() ?? [];
  }

  /** As the caller wrote it, so that it also holds behind another name or port. */
  #originOf(request: FastifyRequest): string {
    return request.headers.host ? `http://${request.headers.host}` : (this.url ?? "http://localhost");
  }

  async #listenTcp(host: string, port: number): Promise<string> {
    try {
      return await this.#app.listen({ host, port });
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      const why = code === "EADDRINUSE" ? "the port is in use; choose another with --port" : String(error);
      throw new LachesisError("config_invalid", `Cannot listen on ${host}:${port}: ${why}.`, { cause: error });
    }
  }

  async #listenSocket(socket: string | true): Promise<void> {
    if (socket === true) this.#socketFolder = mkdtempSync(join(tmpdir(), "lachesis-proxy-"));
    const path = socket === true ? join(this.#socketFolder!, "s") : socket;
    const server = createServer((request, response) => {
      this.#onSocket.add(request);
      this.#app.routing(request, response);
    });
    this.#socketServer = server;
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(path, resolve);
    });
    chmodSync(path, 0o600);
    this.socketPath = path;
  }
}
